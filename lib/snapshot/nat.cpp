// SPDX-License-Identifier: Apache-2.0
#include "snapshot/nat.hpp"

#include "packet/headers.hpp"
#include "snapshot/snapshot.hpp"

#include <algorithm>
#include <set>

namespace sluice::snapshot {
namespace {

bool has_source_like(const NatInput& nat, const IpAddress& other) {
  return std::ranges::any_of(nat.sources,
                             [&](const IpAddress& s) { return s.family() == other.family(); });
}

Result<void> check(const Input& input, std::size_t index) {
  const PoolInput& pool = input.pools[index];
  const std::string where = "pool " + pool.name;
  if (!pool.nat) return fail(Errc::kInvalid, where, "has no addresses to translate to");
  const NatInput& nat = *pool.nat;
  if (nat.first_port == 0 || nat.first_port > nat.last_port)
    return fail(Errc::kInvalid, where, "ports {} to {} are no range", nat.first_port,
                nat.last_port);
  for (const auto& backend : pool.backends)
    if (!has_source_like(nat, backend.address))
      return fail(Errc::kInvalid, where, "has no source of the family of {}",
                  backend.address.text());
  for (const auto& service : input.services) {
    if (std::ranges::find(nat.sources, service.address) != nat.sources.end())
      return fail(Errc::kInvalid, where, "source {} is the address of service {}",
                  service.address.text(), service.name);
    if (service.pool != index) continue;
    for (const auto& backend : pool.backends)
      if (backend.address.family() != service.address.family())
        return fail(Errc::kInvalid, where, "translates between no families: {} is for service {}",
                    backend.address.text(), service.address.text());
  }
  return {};
}

NatPool make_pool(const NatInput& nat) {
  NatPool pool{.v4 = {},
               .v6 = {},
               .first_port = nat.first_port,
               .last_port = nat.last_port,
               .client_address = nat.client_address};
  for (const IpAddress& source : nat.sources)
    (source.is_v4() ? pool.v4 : pool.v6).push_back(source.words());
  return pool;
}

}  // namespace

Result<NatTables> NatTables::build(const Input& input) {
  NatTables made;
  made.pools_.resize(input.pools.size());
  for (std::size_t i = 0; i < input.pools.size(); ++i) {
    const PoolInput& pool = input.pools[i];
    if (pool.forwarding != Forwarding::kNat) continue;
    if (auto sound = check(input, i); !sound) return forward_error(sound);
    made.pools_[i] = make_pool(*pool.nat);
    made.targets_.resize(std::max<std::size_t>(made.targets_.size(), 1));
    for (const auto& backend : pool.backends) {
      made.targets_.resize(std::max<std::size_t>(made.targets_.size(), backend.number + 1U));
      made.targets_[backend.number] = {
          .address = backend.address.words(),
          .port = Be16::from_host(backend.port).wire(),
          .family = static_cast<std::uint8_t>(backend.address.family())};
    }
  }
  std::vector<ServiceTable::Entry> entries;
  for (const IpAddress& address : nat_addresses(input))
    entries.push_back({address, 0, wire::kIpProtoTcp, 0});
  made.addresses_ = ServiceTable(entries);
  return made;
}

std::vector<IpAddress> nat_addresses(const Input& input) {
  std::set<IpAddress> addresses;
  for (const PoolInput& pool : input.pools)
    if (pool.forwarding == Forwarding::kNat && pool.nat)
      addresses.insert(pool.nat->sources.begin(), pool.nat->sources.end());
  return {addresses.begin(), addresses.end()};
}

}  // namespace sluice::snapshot
