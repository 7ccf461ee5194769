// SPDX-License-Identifier: Apache-2.0
// Rules of pools: table, tunnel, translation, policy, backends, overflow, and QUIC's connection
// ids.
#include "config/rules.hpp"
#include "config/words.hpp"
#include "maglev/table.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace sluice::config {
namespace {

constexpr std::size_t kMostNumbers = 65535;   // of all pools: backend numbers have 16 bits
constexpr unsigned kMostOfConnectionId = 19;  // bytes of server id and nonce (QUIC-LB)
constexpr unsigned kPortsAtOnce = 64;         // of NAT, as workers get them
constexpr unsigned kLeastRoom = 1280;         // what every IPv6 sender may count on (RFC 8200)

bool has_tunnel(const Pool& pool) {
  return pool.forwarding == Forwarding::kIpip || pool.forwarding == Forwarding::kGue;
}

bool has_backend_of(const Pool& pool, bool v4) {
  return std::ranges::any_of(pool.backends, [&](const Backend& backend) {
    return !backend.address.is_unspecified() && backend.address.is_v4() == v4;
  });
}

/// One pool at a time, at its place.
class PoolRules {
 public:
  PoolRules(Rules& rules, const Pool& pool, const AddressOwners& services)
      : rules_(rules), pool_(pool), services_(services) {}

  void check() {
    table_size();
    if (!rules_.damaged("forwarding")) {
      encapsulation();
      nat();
      room_for_tunnel();
    }
    policy();
    rules_.reader().at("backends", [&] { backends(); });
    check_health(rules_, pool_);
    check_autoscale(rules_, pool_, services_);
  }

 private:
  void table_size() {
    rules_.at("table_size", [&] {
      if (!maglev::is_prime(pool_.table_size)) {
        const auto [below, above] = maglev::nearest_primes(pool_.table_size);
        rules_.fault(fmt::format("{} is not a prime number", pool_.table_size),
                     fmt::format("the nearest are {} and {}", below, above));
      } else if (pool_.table_size < pool_.backends.size()) {
        rules_.fault(
            fmt::format("{} entries are too few for {} backends", pool_.table_size,
                        pool_.backends.size()),
            fmt::format("give a larger prime number; the default is {}", Pool().table_size));
      }
    });
  }

  void encapsulation() {
    if (rules_.damaged("encapsulation") || rules_.damaged("backends")) return;
    const Encapsulation outer = pool_.encapsulation.value_or(Encapsulation{});
    rules_.reader().at("encapsulation", [&] {
      if (has_tunnel(pool_)) {
        tunnel_sources(outer);
      } else if (pool_.encapsulation) {
        rules_.warning(fmt::format("forwarding '{}' has no tunnel", word(pool_.forwarding)),
                       "remove it, or let the pool forward by 'ipip' or 'gue'");
      }
      if (pool_.forwarding == Forwarding::kIpip &&
          (outer.port != Encapsulation().port || outer.variant != Encapsulation().variant))
        rules_.warning("variant and port are of 'gue', and forwarding 'ipip' has neither",
                       "remove them, or let the pool forward by 'gue'");
    });
  }

  void tunnel_sources(const Encapsulation& outer) {
    const auto missing = [&](std::string_view key, std::string_view to) {
      rules_.at(key, [&] {
        rules_.fault(fmt::format("is required by forwarding '{}'{}", word(pool_.forwarding), to),
                     "give the node's own address that tunnelled packets come from");
      });
    };
    const bool has_v6 = has_backend_of(pool_, false);
    if (outer.source.is_unspecified() && outer.source6.is_unspecified() && !has_v6)
      missing("source", "");
    else if (has_backend_of(pool_, true) && outer.source_for(true).is_unspecified())
      missing("source", " to IPv4 backends");
    if (has_v6 && outer.source_for(false).is_unspecified()) missing("source6", " to IPv6 backends");
    if (!outer.source.is_v4() && !outer.source6.is_unspecified())
      rules_.at("source6", [&] {
        rules_.fault("is there beside a source that is IPv6 itself",
                     "let source be the node's IPv4 address, or leave source6 away");
      });
  }

  void nat() {
    if (rules_.damaged("nat")) return;
    rules_.reader().at("nat", [&] {
      if (pool_.forwarding != Forwarding::kNat) {
        if (pool_.nat)
          rules_.warning(fmt::format("forwarding '{}' translates nothing", word(pool_.forwarding)),
                         "remove it, or let the pool forward by 'nat'");
        return;
      }
      if (!pool_.nat) {
        rules_.fault("is required by forwarding 'nat'",
                     "give at least sources: the node's addresses that the backends see");
        return;
      }
      rules_.reader().at("sources", [&] { sources(*pool_.nat); });
      rules_.at("ports", [&] {
        if (rules_.damaged_within()) return;
        const auto [least, most] = pool_.nat->ports;
        if (least > most)
          rules_.fault(fmt::format("{} is above {}", least, most), "give the smaller port first");
        else
          share_of_each_worker(most - least + 1U);
      });
    });
  }

  void share_of_each_worker(unsigned ports) {
    const auto workers = static_cast<unsigned>(rules_.configuration().dpdk.workers().size());
    const unsigned least = workers * kPortsAtOnce;
    if (ports < least && !rules_.damaged_at("/dpdk/lcores") &&
        !rules_.damaged_at("/dpdk/main_lcore"))
      rules_.fault(fmt::format("{} ports are too few for {} workers, which get {} at a time", ports,
                               workers, kPortsAtOnce),
                   fmt::format("give at least {}", least));
  }

  void sources(const Nat& nat) {
    if (rules_.damaged_here()) return;
    std::set<IpAddress> seen;
    rules_.each(nat.sources, [&](const IpAddress& source) {
      if (rules_.damaged_here()) return;
      if (!seen.insert(source).second)
        rules_.fault(fmt::format("{} stands here twice", source.text()), "keep one of them");
      if (const auto owner = services_.find(source); owner != services_.end())
        rules_.fault(fmt::format("{} is the address of {}", source.text(), owner->second),
                     "give an address that only serves as the source of translated packets");
      if (std::ranges::find(pool_.backends, source, &Backend::address) != pool_.backends.end())
        rules_.fault(fmt::format("{} is the address of a backend", source.text()),
                     "give an address of the node");
    });
    for (const bool v4 : {true, false})
      if (has_backend_of(pool_, v4) &&
          std::ranges::none_of(seen, [&](const IpAddress& s) { return s.is_v4() == v4; }))
        rules_.fault(fmt::format("no source is {}, but backends are", v4 ? "IPv4" : "IPv6"),
                     "add an address of the node of that family");
  }

  // A packet that does not fit makes its sender lower the path MTU, but not below this. The port
  // that packets leave by is the kernel's choice, so the roomiest one counts.
  void room_for_tunnel() {
    if (!has_tunnel(pool_) || pool_.backends.empty() || rules_.damaged_at("/ports")) return;
    const auto& ports = rules_.configuration().ports;
    const auto roomiest = std::ranges::max_element(ports, {}, &Port::mtu);
    if (roomiest == ports.end()) return;
    const unsigned outer = (has_backend_of(pool_, false) ? 40U : 20U) +
                           (pool_.forwarding == Forwarding::kIpip ? 0U : 8U) +
                           (pool_.forwarding == Forwarding::kGue && pool_.encapsulation &&
                                    pool_.encapsulation->variant == 0
                                ? 4U
                                : 0U);
    if (roomiest->mtu >= kLeastRoom + outer) return;
    rules_.at("forwarding", [&] {
      rules_.warning(
          fmt::format("the tunnel takes {} bytes and leaves {} of port {}, less than the {} that "
                      "IPv6 senders may count on",
                      outer, roomiest->mtu - outer, quoted(roomiest->name), kLeastRoom),
          fmt::format("raise its mtu and that of the network behind it to {}", kLeastRoom + outer));
    });
  }

  void policy() {
    rules_.at("max_load_ratio", [&] {
      if (pool_.max_load_ratio != 0 && pool_.max_load_ratio <= 1)
        rules_.fault(fmt::format("{} leaves no room above the fair share", pool_.max_load_ratio),
                     "give a number above 1, such as 1.25, or 0 for no bound");
    });
    const bool told = pool_.metrics || (pool_.health && !pool_.health->load_header.empty());
    if (pool_.policy == Policy::kLeastLoad && !told && !rules_.damaged("policy") &&
        !rules_.damaged("metrics") && !rules_.damaged("health"))
      rules_.at("policy", [&] {
        rules_.warning(
            "nothing reports the backends' load, so that they are taken at random, by weight",
            "give 'metrics', or 'load_header' in 'health'; or choose 'least_connections'");
      });
    if (pool_.affinity == Affinity::kQuicCid && !rules_.damaged("affinity")) quic();
    if (!pool_.overflow.empty() && !rules_.damaged("backends"))
      rules_.at("overflow", [&] {
        if (std::ranges::any_of(pool_.backends,
                                [](const Backend& b) { return b.max_connections == 0; }))
          rules_.warning("a backend without max_connections is never full, so nothing flows over",
                         "give every backend max_connections");
      });
  }

  void quic() {
    const auto& rotations = rules_.configuration().quic_lb;
    if (rules_.damaged_at("/quic_lb") || rules_.damaged("backends")) return;
    if (rotations.empty()) {
      rules_.at("affinity", [&] {
        rules_.fault("'quic_cid' needs to know how connection ids are made",
                     "add /quic_lb as the servers have it");
      });
      return;
    }
    rules_.reader().at("backends", [&] {
      rules_.distinct(pool_.backends, "server_id", "server_id",
                      [](const Backend& backend) { return in_lower_case(backend.server_id); });
      rules_.each(pool_.backends, [&](const Backend& backend) {
        rules_.at("server_id", [&] { server_id(backend, rotations.front()); });
      });
    });
  }

  void server_id(const Backend& backend, const QuicLb& rotation) {
    const auto bytes = backend.server_id.size() / 2;
    if (bytes == 0)
      rules_.fault(
          "is required by affinity 'quic_cid'",
          fmt::format("give the server's id, {} bytes in hexadecimal", rotation.server_id_bytes));
    else if (bytes != rotation.server_id_bytes)
      rules_.fault(
          fmt::format("has {} bytes, but /quic_lb says {}", bytes, rotation.server_id_bytes),
          "give the id that the server puts into its connection ids");
  }

  void backends() {
    if (rules_.damaged_here()) return;
    if (pool_.backends.empty() && !pool_.autoscale)
      rules_.warning("the pool has no backends, so its services drop what they get",
                     "add one here or with 'sluicectl backend add'");
    const bool nat = pool_.forwarding == Forwarding::kNat;
    rules_.distinct_names(pool_.backends);
    rules_.distinct(pool_.backends, "address", "address", [&](const Backend& backend) {
      return nat && backend.port != 0
                 ? fmt::format("{} port {}", backend.address.text(), backend.port)
                 : backend.address.text();
    });
    const auto backends_at = rules_.reader().place();
    const auto pool_at = backends_at.substr(0, backends_at.rfind('/'));
    const Names classes("class", pool_.classes, !rules_.damaged_at(pool_at + "/classes"));
    const bool forwarding_known = !rules_.damaged_at(pool_at + "/forwarding");
    rules_.each(pool_.backends, [&](const Backend& backend) {
      rules_.at("address", [&] {
        if (const auto owner = services_.find(backend.address); owner != services_.end())
          rules_.fault(
              fmt::format("{} is the address of {}", backend.address.text(), owner->second),
              "give the server's own address");
      });
      if (!backend.backend_class.empty()) rules_.refers("class", backend.backend_class, classes);
      if (backend.port != 0 && !nat && forwarding_known)
        rules_.at("port", [&] {
          rules_.fault(
              fmt::format("forwarding '{}' keeps the service's port", word(pool_.forwarding)),
              "remove it, or let the pool forward by 'nat'");
        });
    });
  }

  Rules& rules_;
  const Pool& pool_;
  const AddressOwners& services_;
};

void check_overflow(Rules& rules, const Names& names) {
  std::map<std::string_view, std::string_view> next;
  for (const auto& pool : rules.configuration().pools) next.emplace(pool.name, pool.overflow);
  rules.each(rules.configuration().pools, [&](const Pool& pool) {
    if (pool.overflow.empty()) return;
    rules.refers("overflow", pool.overflow, names);
    rules.at("overflow", [&] {
      std::string_view at = pool.overflow;
      for (unsigned step = 1; step <= kLongestOverflow && at != pool.name; ++step) {
        const auto found = next.find(at);
        if (found == next.end() || found->second.empty()) return;
        at = found->second;
      }
      if (at == pool.name)
        rules.fault(fmt::format("the overflow of pool {} comes back to it", quoted(pool.name)),
                    "let the chain end in a pool without overflow");
      else
        rules.fault(fmt::format("more than {} pools follow one another", kLongestOverflow),
                    "let the chain end earlier");
    });
  });
}

void check_quic_lb(Rules& rules) {
  const auto& rotations = rules.configuration().quic_lb;
  rules.distinct(rotations, "rotation", "rotation",
                 [](const QuicLb& one) { return std::to_string(one.rotation); });
  rules.each(rotations, [&](const QuicLb& one) {
    if (rules.damaged("server_id_bytes")) return;
    rules.at("nonce_bytes", [&] {
      if (one.server_id_bytes + one.nonce_bytes > kMostOfConnectionId)
        rules.fault(fmt::format("{} bytes of server id and {} of nonce are more than {}",
                                one.server_id_bytes, one.nonce_bytes, kMostOfConnectionId),
                    "shorten one of the two");
    });
    rules.at("server_id_bytes", [&] {
      if (one.server_id_bytes != rotations.front().server_id_bytes &&
          !rules.damaged_at("/quic_lb/0"))
        rules.fault(fmt::format("{} bytes, but the first rotation has {}", one.server_id_bytes,
                                rotations.front().server_id_bytes),
                    "give all rotations the same: a backend has one server id");
    });
  });
}

}  // namespace

void check_pools(Rules& rules) {
  const auto& configuration = rules.configuration();
  AddressOwners services;
  for (const auto& service : configuration.services)
    if (!service.address.is_unspecified())
      services.emplace(service.address, fmt::format("service {}", quoted(service.name)));
  rules.reader().at("pools", [&] {
    rules.distinct_names(configuration.pools);
    check_overflow(rules, Names("pool", configuration.pools, !rules.damaged_here()));
    std::size_t backends = 0;
    rules.each(configuration.pools, [&](const Pool& pool) {
      PoolRules(rules, pool, services).check();
      backends += pool.backends.size();
      if (backends > kMostNumbers && backends - pool.backends.size() <= kMostNumbers)
        rules.at("backends", [&] {
          rules.fault(fmt::format("more than {} backends in all pools together", kMostNumbers),
                      "spread them over several nodes");
        });
    });
  });
  rules.reader().at("quic_lb", [&] { check_quic_lb(rules); });
}

}  // namespace sluice::config
