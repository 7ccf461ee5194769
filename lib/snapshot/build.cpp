// SPDX-License-Identifier: Apache-2.0
#include "packet/headers.hpp"
#include "snapshot/header_template.hpp"
#include "snapshot/snapshot.hpp"
#include "snapshot/table_arena.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_map>

namespace sluice::snapshot {
namespace {

Result<void> check_services(const Input& input) {
  std::set<std::tuple<IpAddress, std::uint16_t, std::uint8_t>> addresses;
  for (const auto& service : input.services) {
    const std::string where = "service " + service.name;
    if (service.pool >= input.pools.size()) return fail(Errc::kInvalid, where, "has no pool");
    if (service.protocol != wire::kIpProtoTcp && service.protocol != wire::kIpProtoUdp)
      return fail(Errc::kInvalid, where, "protocol {} is neither TCP nor UDP", service.protocol);
    if (service.number >= kMostServices)
      return fail(Errc::kInvalid, where, "number {} is out of range", service.number);
    if (!addresses.insert({service.address, service.port, service.protocol}).second)
      return fail(Errc::kInvalid, where, "another service has {} port {}", service.address.text(),
                  service.port);
  }
  return {};
}

bool has_outer_source(const PoolInput& pool, const IpAddress& destination) {
  if (destination.is_v4()) return pool.outer_source.is_v4() && !pool.outer_source.is_unspecified();
  return pool.outer_source6 && !pool.outer_source6->is_v4();
}

Result<void> check_pools(const Input& input) {
  std::vector<bool> taken(kMostBackends);
  for (const auto& pool : input.pools) {
    const bool tunnel = pool.forwarding == Forwarding::kIpip || pool.forwarding == Forwarding::kGue;
    for (const auto& backend : pool.backends) {
      const auto where = [&] { return "backend " + backend.name; };
      if (tunnel && !has_outer_source(pool, backend.address))
        return fail(Errc::kInvalid, where(), "pool {} has no tunnel source of the family of {}",
                    pool.name, backend.address.text());
      if (backend.number >= kMostBackends || taken[backend.number])
        return fail(Errc::kInvalid, where(), "number {} is taken or out of range", backend.number);
      taken[backend.number] = true;
    }
  }
  return {};
}

Result<void> refuse_contradictions(const Input& input) {
  if (input.services.size() > kMostServices || input.pools.size() > kMostPools)
    return fail(Errc::kExhausted, "", "{} services and {} pools are more than {} and {}",
                input.services.size(), input.pools.size(), kMostServices, kMostPools);
  if (auto services = check_services(input); !services) return services;
  return check_pools(input);
}

std::vector<maglev::Member> members_of(const PoolInput& pool) {
  std::vector<maglev::Member> members;
  for (const auto& backend : pool.backends)
    if (backend.takes_new_flows())
      members.push_back({maglev::member_id(backend.name), backend.weight, backend.number});
  std::ranges::sort(members, {}, &maglev::Member::id);
  return members;
}

bool same_members(const PoolTable& table, std::span<const maglev::Member> members,
                  std::uint32_t size) {
  return table.size == size &&
         std::ranges::equal(table.members, members, [](const auto& a, const auto& b) {
           return a.id == b.id && a.weight == b.weight && a.value == b.value;
         });
}

/// Tables of the snapshot before, by their pools' names.
using TablesBefore = std::unordered_multimap<std::string_view, std::shared_ptr<const PoolTable>>;

TablesBefore tables_of(const Snapshot* previous) {
  TablesBefore tables;
  if (previous == nullptr) return tables;
  tables.reserve(previous->tables.size());
  for (std::size_t i = 0; i < previous->tables.size(); ++i)
    tables.emplace(previous->input.pools[i].name, previous->tables[i]);
  return tables;
}

Result<std::shared_ptr<const PoolTable>> build_table(const PoolInput& pool,
                                                     const TablesBefore& before) {
  auto made = std::make_shared<PoolTable>();
  made->members = members_of(pool);
  made->size = pool.table_size;
  const auto [first, last] = before.equal_range(pool.name);
  for (auto one = first; one != last; ++one)
    if (same_members(*one->second, made->members, made->size)) return one->second;
  auto table = maglev::Table::build(made->members, made->size);
  if (table) {
    made->table = std::move(*table);
  } else if (table.error().code != Errc::kNotFound) {  // nobody has weight: a pool without a table
    return fail(table.error().code, "pool " + pool.name, "{}", table.error().message);
  }
  return made;
}

Result<void> build_tables(Snapshot& snapshot, const Snapshot* previous) {
  const auto& pools = snapshot.input.pools;
  std::vector<Result<std::shared_ptr<const PoolTable>>> built(pools.size());
  const auto before = tables_of(previous);
  in_parallel(pools.size(), [&](std::size_t i) { built[i] = build_table(pools[i], before); });
  for (auto& table : built) {
    if (!table) return forward_error(table);
    snapshot.pools.push_back(
        {.slots = (*table)->table ? (*table)->table->slots() : std::span<const maglev::Slot>{}});
    snapshot.tables.push_back(std::move(*table));
  }
  return {};
}

void fill_backends(Snapshot& snapshot) {
  std::size_t extent = 1;  // workers index without asking: there is always a number 0
  for (const auto& pool : snapshot.input.pools)
    for (const auto& backend : pool.backends)
      extent = std::max<std::size_t>(extent, backend.number + 1U);
  snapshot.backends.resize(extent);
  snapshot.capacities.resize(extent);
  for (std::size_t i = 0; i < snapshot.input.pools.size(); ++i)
    for (const auto& backend : snapshot.input.pools[i].backends) {
      snapshot.backends[backend.number] =
          make_backend(snapshot.input.pools[i], static_cast<std::uint16_t>(i), backend);
      snapshot.capacities[backend.number] = {.weight = backend.weight,
                                             .max_connections = backend.max_connections,
                                             .load = backend.load};
    }
}

Result<void> fill_policies(Snapshot& snapshot) {
  const auto& pools = snapshot.input.pools;
  std::size_t rounds = 0;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    auto policy = build_policy(pools[i], i, pools.size(), rounds);
    if (!policy) return forward_error(policy);
    snapshot.pools[i].policy = policy->get();
    snapshot.policies.push_back(std::move(*policy));
  }
  return {};
}

Result<void> fill_rules(Snapshot& snapshot, const Snapshot* previous) {
  auto decoder = QuicLb::create(snapshot.input.quic_lb);
  if (!decoder)
    return fail(decoder.error().code, "quic_lb " + decoder.error().where, "{}",
                decoder.error().message);
  snapshot.quic_lb = *decoder;
  auto rules = build_rules(snapshot.input, previous);
  if (!rules) return forward_error(rules);
  snapshot.rules = std::move(*rules);
  for (std::size_t i = 0; i < snapshot.services.size(); ++i) {
    snapshot.services[i].rules = snapshot.rules[i].get();
    const auto& pool = snapshot.input.pools[snapshot.services[i].pool];
    snapshot.services[i].short_way =
        snapshot.services[i].rules == nullptr && pool.forwarding != Forwarding::kNat;
  }
  return {};
}

void fill_services(Snapshot& snapshot) {
  std::vector<ServiceTable::Entry> entries;
  for (const auto& service : snapshot.input.services) {
    entries.push_back({service.address, service.port, service.protocol,
                       static_cast<std::uint32_t>(snapshot.services.size())});
    snapshot.services.push_back(
        {.pool = static_cast<std::uint16_t>(service.pool), .number = service.number});
  }
  snapshot.service_table = ServiceTable(entries);
}

}  // namespace

Result<std::unique_ptr<const Snapshot>> build(Input input, const Snapshot* previous) {
  if (auto sound = refuse_contradictions(input); !sound) return forward_error(sound);
  auto made = std::make_unique<Snapshot>();
  made->generation = input.generation;
  made->hash_key = input.hash_key;
  made->tcp_timeout = input.tcp_timeout;
  made->udp_timeout = input.udp_timeout;
  made->icmp_errors_per_second = input.icmp_errors_per_second;
  made->verify_checksums = input.verify_checksums;
  made->port_mtus = input.port_mtus;
  made->input = std::move(input);
  auto nat = NatTables::build(made->input);
  if (!nat) return forward_error(nat);
  made->nat = std::move(*nat);
  if (auto tables = build_tables(*made, previous); !tables) return forward_error(tables);
  fill_backends(*made);
  if (auto policies = fill_policies(*made); !policies) return forward_error(policies);
  fill_services(*made);
  if (auto rules = fill_rules(*made, previous); !rules) return forward_error(rules);
  return made;
}

}  // namespace sluice::snapshot
