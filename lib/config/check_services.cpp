// SPDX-License-Identifier: Apache-2.0
// Rules of services: listeners, shards, deny lists, and whether the pools can serve them.
#include "config/rules.hpp"
#include "config/words.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

namespace sluice::config {
namespace {

std::string_view family_name(bool v4) { return v4 ? "IPv4" : "IPv6"; }

// A pool, and the first backend of each family; null: none.
struct Candidate {
  const Pool* pool;
  const Backend* v4 = nullptr;
  const Backend* v6 = nullptr;
};
using PoolsByName = std::map<std::string_view, Candidate>;

PoolsByName by_name(const std::vector<Pool>& pools) {
  PoolsByName by_name;
  for (const auto& pool : pools) {
    const auto [at, is_new] = by_name.try_emplace(pool.name, Candidate{&pool});
    if (!is_new) continue;
    for (const auto& backend : pool.backends) {
      auto& first = backend.address.is_v4() ? at->second.v4 : at->second.v6;
      if (first == nullptr && !backend.address.is_unspecified()) first = &backend;
    }
  }
  return by_name;
}

// A backend of the other family that the pool's forwarding cannot carry packets to; null: none.
const Backend* out_of_family(const Candidate& candidate, bool v4) {
  const auto forwarding = candidate.pool->forwarding;
  if (forwarding == Forwarding::kIpip || forwarding == Forwarding::kGue) return nullptr;
  return v4 ? candidate.v6 : candidate.v4;
}

// What a pool must be for the flows of a service, whichever way they come to it.
void serves(Rules& rules, const Service& service, const Candidate& candidate) {
  const Pool& pool = *candidate.pool;
  const bool v4 = service.address.is_v4();
  if (const auto* backend = out_of_family(candidate, v4))
    rules.fault(
        fmt::format("the service is {}, but backend {} of pool {} is {}, which forwarding '{}' "
                    "cannot join",
                    family_name(v4), quoted(backend->name), quoted(pool.name), family_name(!v4),
                    word(pool.forwarding)),
        "give it a pool of one family, or let that pool forward by 'ipip' or 'gue'");
  if (pool.affinity == Affinity::kQuicCid && service.protocol != Protocol::kQuic)
    rules.fault(fmt::format("pool {} has affinity 'quic_cid', but the service is not QUIC",
                            quoted(pool.name)),
                "give the service protocol 'quic' or the pool another affinity");
  if (pool.nat && pool.forwarding == Forwarding::kNat && service.protocol != Protocol::kTcp &&
      pool.nat->client_address != ClientAddress::kNone)
    rules.warning(fmt::format("backends of pool {} learn the client's address of TCP only",
                              quoted(pool.name)),
                  "serve UDP from a pool whose backends do not need it");
}

// A service has one affinity, its own pool's.
void same_affinity(Rules& rules, const Service& service, const Pool& pool,
                   const PoolsByName& pools) {
  const auto own = pools.find(service.pool);
  if (own == pools.end() || own->second.pool->affinity == pool.affinity) return;
  rules.warning(
      fmt::format("pool {} has affinity '{}', but the service goes by that of its own pool, '{}'",
                  quoted(pool.name), word(pool.affinity), word(own->second.pool->affinity)),
      "give both pools one affinity");
}

// The pool of that name and those that it flows over to.
void served_by(Rules& rules, const Service& service, std::string_view name,
               const PoolsByName& pools) {
  unsigned steps = 0;
  for (auto at = pools.find(name); at != pools.end() && steps <= kLongestOverflow;
       at = pools.find(at->second.pool->overflow), ++steps) {
    serves(rules, service, at->second);
    same_affinity(rules, service, *at->second.pool, pools);
  }
}

class Shards {
 public:
  Shards(Rules& rules, const Service& service, const Names& names, const PoolsByName& pools)
      : rules_(rules), service_(service), names_(names), pools_(pools) {}

  void check() {
    const auto list_at = rules_.reader().place();
    std::size_t i = 0;
    rules_.each(service_.shards, [&](const Shard& shard) {
      if (!rules_.damaged_here()) one(shard, list_at + fmt::format("/{}", i));
      ++i;
    });
  }

 private:
  void one(const Shard& shard, const std::string& here) {
    if (!rules_.damaged("source") && !rules_.damaged("hash_range") &&
        shard.source.has_value() == shard.hash_range.has_value())
      rules_.fault(
          shard.source ? "has both source and hash_range" : "has no source and no hash_range",
          "give one of the two");
    if (shard.source) rules_.at("source", [&] { source(*shard.source, here); });
    if (shard.hash_range) rules_.at("hash_range", [&] { range(*shard.hash_range, here); });
    rules_.refers("pool", shard.pool, names_);
    // A hundred thousand shards name a few pools: each is looked at once.
    if (looked_at_.insert(shard.pool).second)
      rules_.at("pool", [&] { served_by(rules_, service_, shard.pool, pools_); });
  }

  void source(const IpPrefix& prefix, const std::string& here) {
    const auto [known, is_new] = prefixes_.try_emplace(prefix, here);
    if (!is_new)
      rules_.fault(fmt::format("{} is the source of {} too", prefix.text(), known->second),
                   "remove one of the shards");
    if (prefix.address.is_v4() != service_.address.is_v4())
      rules_.fault(
          fmt::format("{} is {}, but the service's clients are {}", prefix.text(),
                      family_name(prefix.address.is_v4()), family_name(service_.address.is_v4())),
          "give a prefix of the service's own family");
  }

  void range(const std::pair<double, double>& range, const std::string& here) {
    if (rules_.damaged_within()) return;
    if (range.first >= range.second) {
      rules_.fault(fmt::format("{} is not below {}", range.first, range.second),
                   "give the smaller number first");
      return;
    }
    // Of the hash 32 bits count.
    if (std::floor(std::ldexp(range.first, 32)) == std::floor(std::ldexp(range.second, 32))) {
      rules_.fault(fmt::format("{} to {} is too narrow for any flow", range.first, range.second),
                   "make it wider, or remove the shard");
      return;
    }
    const auto after = ranges_.lower_bound(range.first);
    const std::string* other = nullptr;
    if (after != ranges_.end() && after->first < range.second) other = &after->second.second;
    if (after != ranges_.begin() && std::prev(after)->second.first > range.first)
      other = &std::prev(after)->second.second;
    if (other != nullptr)
      rules_.fault(fmt::format("overlaps the range of {}", *other),
                   "let one begin where the other ends");
    else
      ranges_.emplace(range.first, std::pair(range.second, here));
  }

  Rules& rules_;
  const Service& service_;
  const Names& names_;
  const PoolsByName& pools_;
  std::map<IpPrefix, std::string> prefixes_;
  std::map<double, std::pair<double, std::string>> ranges_;  // by begin: end, and whose
  std::set<std::string_view> looked_at_;
};

void check_deny(Rules& rules, const Service& service) {
  rules.each(service.deny, [&](const IpPrefix& prefix) {
    if (!rules.damaged_here() && prefix.address.is_v4() != service.address.is_v4())
      rules.fault(
          fmt::format("{} is {}, but the service's clients are {}", prefix.text(),
                      family_name(prefix.address.is_v4()), family_name(service.address.is_v4())),
          "remove it, or deny it at the service of its family");
  });
}

// QUIC is UDP on the wire.
Protocol on_the_wire(Protocol protocol) {
  return protocol == Protocol::kTcp ? Protocol::kTcp : Protocol::kUdp;
}

}  // namespace

void check_services(Rules& rules) {
  const auto& configuration = rules.configuration();
  const Names names("pool", configuration.pools, !rules.damaged_at("/pools"));
  const auto pools = by_name(configuration.pools);
  std::map<std::tuple<IpAddress, std::uint16_t, Protocol>, std::string_view> listeners;
  rules.reader().at("services", [&] {
    rules.distinct_names(configuration.services);
    rules.each(configuration.services, [&](const Service& service) {
      if (!rules.damaged("address") && !rules.damaged("port") && !rules.damaged("protocol")) {
        const auto [known, is_new] = listeners.try_emplace(
            std::tuple(service.address, service.port, on_the_wire(service.protocol)), service.name);
        if (!is_new)
          rules.fault(fmt::format("address, port and protocol are those of service {}",
                                  quoted(known->second)),
                      "change one of the three, or remove one of the services");
      }
      rules.refers("pool", service.pool, names);
      if (rules.damaged("address") || rules.damaged("protocol")) return;
      rules.at("pool", [&] { served_by(rules, service, service.pool, pools); });
      rules.at("shards", [&] { Shards(rules, service, names, pools).check(); });
      rules.at("deny", [&] { check_deny(rules, service); });
    });
  });
}

}  // namespace sluice::config
