// SPDX-License-Identifier: Apache-2.0
#include "config/check.hpp"

#include "config/rules.hpp"

#include <array>

namespace sluice::config {
namespace {

constexpr auto kRules = std::to_array<std::string_view>({
    "No object has a key twice.",
    "`dpdk.lcores` names lcores 0 to 127, each once, and at least two; `dpdk.main_lcore` is one of "
    "them.",
    "Names of ports, services and pools are unique, names and addresses of backends and names of "
    "classes within their pool. Behind `nat`, backends may share an address if their ports differ.",
    "No two ports have the same device, whatever its parameters.",
    "All ports have the same number of queues, at most one for each worker. A `net_af_xdp` device "
    "has one, or as many as its `queue_count=` says.",
    "`ports[].exception` is `none` where the device has a kernel interface.",
    "No port's `mtu` is below 1280 when any address of a service or backend is IPv6.",
    "`neighbours[].address` is unique; `neighbours[].port` is the name of a port.",
    "No prefix has bits set beyond its length.",
    "No two services have the same address, port and protocol (`quic` is UDP). `services[].pool` "
    "and `services[].shards[].pool` are names of pools.",
    "A shard has either `source` or `hash_range`. No two shards of a service have one prefix or "
    "overlapping ranges; a range's first number is the smaller one, by 2^-32 at least. Prefixes of "
    "shards and of `deny` are of the family of the service's address.",
    "Pools of forwarding `l2dsr` or `nat` serve services of the family of all their backends only, "
    "by `pool`, by shard and by overflow; `ipip` and `gue` carry either family to either.",
    "`pools[].table_size` is a prime number and not smaller than the number of backends.",
    "`pools[].encapsulation.source` is given when forwarding is `ipip` or `gue`, of the family of "
    "the backends; where they are of both, it is IPv4 and `source6` is given too.",
    "`pools[].nat` is given when forwarding is `nat`, with a source of the family of each backend. "
    "Sources are unique and none is the address of a service or backend. `nat.ports` runs upwards. "
    "Only `nat` changes the port: elsewhere `backends[].port` is 0.",
    "`pools[].max_load_ratio` is 0 or above 1.",
    "At most 65535 services and 65535 pools; at most 4096 services have `limits`, at most 4096 "
    "pools go round robin.",
    "`pools[].overflow` is the name of another pool, and at most four follow one "
    "another; no chain comes back to its start.",
    "Affinity `quic_cid` is for services of protocol `quic`; it needs `quic_lb`, and for every "
    "backend a `server_id` of its own, as long as every rotation says.",
    "A service of such a pool has no two backends of one `server_id` in its pool, in those of its "
    "`shards` and in those that these flow over to.",
    "`quic_lb[].rotation` is unique; `server_id_bytes` and `nonce_bytes` are at most 19 together.",
    "No backend has the address of a service; `backends[].class` is the name of one of the pool's "
    "classes; all pools together have at most 65535 backends.",
    "`health.timeout_ms` is less than `health.interval_ms`, `fast_interval_ms` not more. Keys of "
    "`health` are for the types that they name; `command` begins with an absolute path.",
    "`outlier.max_ejection_s` is not less than `base_ejection_s`.",
    "Of a class, `min` is not more than `max`, and `wake_s` is given where `asleep` is.",
    "`metrics.timeout_ms` is not more than `interval_ms`, `stale_after_ms` not less. Type `custom` "
    "has names of its own for `running` and `completed`.",
    "`autoscale.min` is not more than `max`, which is neither less than what the classes have at "
    "least nor more than `table_size`; `budget_per_hour` pays for `min`; `thresholds.down` is less "
    "than `up`.",
    "`autoscale.schedule[].cron` has five fields that some date agrees with; `min` is not more "
    "than "
    "`max`, nor than the pool's; policy `scheduled` has an entry.",
    "Keys of `autoscale.actuator` are for the types that they name, which need all but "
    "`token_file` "
    "and `ca_file`. A `kubernetes` pool has one class; none but `metric` serves affinity "
    "`quic_cid`.",
    "Backends of a `standby` have names and addresses of their own; one that is in the pool, too, "
    "is "
    "there by both. None has a service's address; all are of a family that the pool forwards to. "
    "With those of the pool they are not fewer "
    "than `min`.",
});

}  // namespace

Findings check(const Configuration& configuration, const std::vector<Fault>& known) {
  Rules rules(configuration, known);
  check_node(rules);
  check_filter(rules);
  check_services(rules);
  check_pools(rules);
  check_limits(rules);
  return {rules.reader().take_faults(), rules.reader().take_warnings()};
}

std::span<const std::string_view> rules() noexcept { return kRules; }

}  // namespace sluice::config
