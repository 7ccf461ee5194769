// SPDX-License-Identifier: Apache-2.0
#include "control/filter_duties.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <set>

namespace sluice::control {
namespace {

/// Pools that flows of a service may go to: its own, those of its shards, and what these flow over
/// to.
std::set<std::size_t> pools_of(const snapshot::ServiceInput& service,
                               const snapshot::Input& input) {
  std::set<std::size_t> pools{service.pool};
  for (const auto& shard : service.shards) pools.insert(shard.pool);
  std::vector<std::size_t> open(pools.begin(), pools.end());
  while (!open.empty()) {
    const auto overflow = input.pools[open.back()].overflow;
    open.pop_back();
    if (overflow && pools.insert(*overflow).second) open.push_back(*overflow);
  }
  return pools;
}

}  // namespace

std::vector<xdp::ServiceEntry> service_entries(const snapshot::Snapshot& snapshot,
                                               const config::Configuration& configuration,
                                               const std::set<std::string>& awaiting) {
  SLUICE_ASSERT(snapshot.input.services.size() == configuration.services.size(),
                "the snapshot is of this configuration");
  std::vector<xdp::ServiceEntry> entries;
  for (std::size_t i = 0; i < configuration.services.size(); ++i) {
    const auto& service = snapshot.input.services[i];
    bool takes_new = false;
    bool keeps = false;
    bool waits = false;
    for (const auto pool : pools_of(service, snapshot.input)) {
      takes_new = takes_new || !snapshot.pools[pool].slots.empty();
      waits = waits || awaiting.contains(snapshot.input.pools[pool].name);
      keeps = keeps || std::ranges::any_of(snapshot.input.pools[pool].backends,
                                           [](const auto& backend) { return !backend.down; });
    }
    const auto own =
        std::ranges::find(configuration.pools, configuration.services[i].pool, &config::Pool::name);
    entries.push_back({.address = service.address,
                       .port = service.port,
                       .protocol = service.protocol,
                       .number = service.number,
                       // Of whom a client waits for, the workers count the attempts and drop them.
                       .takes = takes_new || waits ? xdp::Takes::kAll
                                : keeps            ? xdp::Takes::kOldFlows
                                                   : xdp::Takes::kNothing,
                       .silent = own->no_backend == config::NoBackend::kDrop});
  }
  return entries;
}

xdp::AnswerSettings answer_settings(const config::Configuration& configuration, unsigned workers) {
  if (!configuration.answer) return {};
  const auto& answer = *configuration.answer;
  std::set<IpAddress> addresses(answer.addresses.begin(), answer.addresses.end());
  for (const auto& service : configuration.services) addresses.insert(service.address);
  return {.addresses = {addresses.begin(), addresses.end()},
          .icmp_echo = answer.icmp_echo,
          .udp_port = answer.udp_port,
          .tcp_port = answer.tcp_port,
          .max_age = answer.max_age,
          .workers = workers};
}

xdp::SynLimit syn_limit(const config::Configuration& configuration) {
  const auto& protection = configuration.protection;
  return {.per_second = protection.syn_per_second,
          .burst = protection.syn_burst,
          .prefix4 = protection.syn_prefix,
          .prefix6 = protection.syn_prefix6};
}

std::vector<xdp::BackendEntry> watched_backends(const config::Configuration& configuration) {
  std::set<IpAddress> addresses;
  for (const auto& pool : configuration.pools)
    for (const auto& backend : pool.backends) addresses.insert(backend.address);
  std::vector<xdp::BackendEntry> entries;
  for (const auto& address : addresses)
    entries.push_back({.number = static_cast<std::uint32_t>(entries.size()), .address = address});
  return entries;
}

}  // namespace sluice::control
