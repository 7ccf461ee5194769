// SPDX-License-Identifier: Apache-2.0
#include "control/describe_policy.hpp"

#include "base/assert.hpp"

#include <charconv>

namespace sluice::control {
namespace {

snapshot::Policy policy_of(config::Policy policy) {
  switch (policy) {
    case config::Policy::kMaglev:
      return snapshot::Policy::kMaglev;
    case config::Policy::kRandom:
      return snapshot::Policy::kRandom;
    case config::Policy::kRoundRobin:
      return snapshot::Policy::kRoundRobin;
    case config::Policy::kWeightedRoundRobin:
      return snapshot::Policy::kWeightedRoundRobin;
    case config::Policy::kLeastConnections:
      return snapshot::Policy::kLeastConnections;
    case config::Policy::kLeastLoad:
      break;
  }
  return snapshot::Policy::kLeastLoad;
}

snapshot::Affinity affinity_of(config::Affinity affinity) {
  switch (affinity) {
    case config::Affinity::kFiveTuple:
      return snapshot::Affinity::kFiveTuple;
    case config::Affinity::kSource:
      return snapshot::Affinity::kSource;
    case config::Affinity::kQuicCid:
      break;
  }
  return snapshot::Affinity::kQuicCid;
}

std::size_t index_of(const PoolIndex& pools, std::string_view name) {
  const auto found = pools.find(name);
  SLUICE_ASSERT(found != pools.end(), "a checked configuration names pools it has");
  return found->second;
}

// 32 hexadecimal digits, as the field table has made sure.
std::array<std::uint8_t, 16> key_of(std::string_view digits) {
  std::array<std::uint8_t, 16> key{};
  for (std::size_t i = 0; i < key.size(); ++i)
    std::from_chars(digits.data() + 2 * i, digits.data() + 2 * i + 2, key[i], 16);
  return key;
}

}  // namespace

void describe_policy(const config::Pool& pool, const PoolIndex& pools, snapshot::PoolInput& out) {
  out.policy = policy_of(pool.policy);
  out.affinity = affinity_of(pool.affinity);
  out.max_load_ratio = pool.max_load_ratio;
  if (!pool.overflow.empty()) out.overflow = index_of(pools, pool.overflow);
}

void describe_rules(const config::Service& service, const PoolIndex& pools,
                    snapshot::ServiceInput& out) {
  out.shards.reserve(service.shards.size());
  for (const auto& shard : service.shards) {
    const auto [from, to] = shard.hash_range.value_or(std::pair(0.0, 0.0));
    out.shards.push_back(
        {.source = shard.source, .from = from, .to = to, .pool = index_of(pools, shard.pool)});
  }
  if (const auto& limits = service.limits)
    out.limits = {.new_flows_per_second = limits->new_flows_per_second,
                  .packets_per_second = limits->packets_per_second,
                  .bits_per_second = limits->bits_per_second,
                  .source_new_flows_per_second = limits->source_new_flows_per_second};
  out.deny = service.deny;
}

std::vector<QuicLbConfig> quic_lb_of(const config::Configuration& configuration) {
  std::vector<QuicLbConfig> rotations;
  for (const auto& one : configuration.quic_lb) {
    QuicLbConfig rotation{.rotation = static_cast<std::uint8_t>(one.rotation),
                          .server_id_bytes = static_cast<std::uint8_t>(one.server_id_bytes),
                          .nonce_bytes = static_cast<std::uint8_t>(one.nonce_bytes),
                          .key = {}};
    if (!one.key.empty()) rotation.key = key_of(one.key);
    rotations.push_back(rotation);
  }
  return rotations;
}

}  // namespace sluice::control
