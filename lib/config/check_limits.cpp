// SPDX-License-Identifier: Apache-2.0
// Rules that hold across the lists of a node: what a worker has room for, and server ids that lead
// from one service to one backend.
#include "config/rules.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace sluice::config {
namespace {

constexpr std::size_t kMostOfAKind = 65535;  // services, pools: their numbers have 16 bits
constexpr std::size_t kMostLimited = 4096;   // each has a place in every worker's memory,
constexpr std::size_t kMostRounds = 4096;    // as has each round robin

bool is_limited(const Service& service) { return service.limits && *service.limits != Limits{}; }

bool has_round(const Pool& pool) {
  return pool.policy == Policy::kRoundRobin || pool.policy == Policy::kWeightedRoundRobin;
}

void not_too_many(Rules& rules, std::string_view key, std::size_t count) {
  if (count <= kMostOfAKind) return;
  rules.at(key, [&] {
    rules.fault(fmt::format("{} {} are more than {}", count, key, kMostOfAKind),
                "spread them over several nodes");
  });
}

/// The first item that is one too many has the fault.
void at_most(Rules& rules, const auto& list, std::string_view key, std::size_t most, auto&& counts,
             const std::string& what, const std::string& remedy) {
  std::size_t count = 0;
  rules.each(list, [&](const auto& item) {
    if (counts(item) && ++count == most + 1) rules.at(key, [&] { rules.fault(what, remedy); });
  });
}

/// Server ids of the pools that one service's flows may be in.
class ServerIds {
 public:
  explicit ServerIds(Rules& rules) : rules_(rules) {
    const auto& pools = rules.configuration().pools;
    for (std::size_t i = 0; i < pools.size(); ++i) index_.emplace(pools[i].name, i);
  }

  void check() {
    for (const auto& service : rules_.configuration().services) {
      const auto own = index_.find(service.pool);
      if (own == index_.end() || pool(own->second).affinity != Affinity::kQuicCid) continue;
      const auto pools = pools_of(service);
      if (looked_at_.insert(pools).second) distinct(service, pools);
    }
  }

 private:
  using Pools = std::set<std::size_t>;
  struct Place {
    std::size_t pool;
    std::size_t backend;
  };

  [[nodiscard]] const Pool& pool(std::size_t index) const {
    return rules_.configuration().pools[index];
  }

  /// Its own, those of its shards, and where each of them flows over.
  [[nodiscard]] Pools pools_of(const Service& service) const {
    Pools all;
    const auto add = [&](const std::string& name) {
      const auto found = index_.find(name);
      if (found == index_.end()) return;
      all.insert(found->second);
      if (const auto next = index_.find(pool(found->second).overflow); next != index_.end())
        all.insert(next->second);
    };
    add(service.pool);
    for (const auto& shard : service.shards) add(shard.pool);
    return all;
  }

  void distinct(const Service& service, const Pools& pools) {
    std::map<std::string, Place> first;
    for (const std::size_t p : pools)
      for (std::size_t b = 0; b < pool(p).backends.size(); ++b) {
        const auto& id = pool(p).backends[b].server_id;
        if (id.empty()) continue;
        const auto [known, is_new] = first.try_emplace(in_lower_case(id), Place{p, b});
        if (!is_new) taken_twice(service, known->second, {p, b});
      }
  }

  void taken_twice(const Service& service, const Place& first, const Place& second) {
    // Within a pool that goes by the ids itself, its own rule has said so.
    if (first.pool == second.pool && pool(first.pool).affinity == Affinity::kQuicCid) return;
    if (!told_.insert({second.pool, second.backend}).second) return;
    rules_.reader().at("pools", [&] {
      rules_.reader().at(second.pool, [&] {
        rules_.reader().at("backends", [&] {
          rules_.reader().at(second.backend, [&] {
            rules_.at("server_id", [&] {
              rules_.fault(
                  fmt::format("{} is the server_id of /pools/{}/backends/{} too, and service {} "
                              "has flows with both",
                              quoted(pool(second.pool).backends[second.backend].server_id),
                              first.pool, first.backend, quoted(service.name)),
                  "give each its own");
            });
          });
        });
      });
    });
  }

  Rules& rules_;
  std::map<std::string_view, std::size_t> index_;
  std::set<Pools> looked_at_;
  std::set<std::pair<std::size_t, std::size_t>> told_;
};

}  // namespace

void check_limits(Rules& rules) {
  const auto& configuration = rules.configuration();
  not_too_many(rules, "services", configuration.services.size());
  not_too_many(rules, "pools", configuration.pools.size());
  rules.reader().at("services", [&] {
    at_most(rules, configuration.services, "limits", kMostLimited, is_limited,
            fmt::format("more than {} services have limits", kMostLimited),
            "limit those that need it most, or spread the services over several nodes");
  });
  rules.reader().at("pools", [&] {
    at_most(rules, configuration.pools, "policy", kMostRounds, has_round,
            fmt::format("more than {} pools go round robin", kMostRounds),
            "choose 'random', which gives each backend the same share");
  });
  if (!rules.damaged_at("/services") && !rules.damaged_at("/pools")) ServerIds(rules).check();
}

}  // namespace sluice::config
