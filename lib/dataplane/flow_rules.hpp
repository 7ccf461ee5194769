// SPDX-License-Identifier: Apache-2.0
// rte_flow rules: on a device that shares its wire with a kernel driver, what is for services goes
// to the workers' queues, and all else stays with Linux.
//
// Threads: slow path.
#pragma once

#include "base/result.hpp"
#include "snapshot/snapshot.hpp"

#include <rte_flow.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace sluice::dataplane {

/// What one rule brings to the workers.
struct FlowRule {
  enum class Kind : std::uint8_t {
    kPort,       ///< TCP or UDP to an address, to one port or to any.
    kIcmp,       ///< ICMP to an address: pings, and errors about its flows.
    kFragments,  ///< Fragments to an address, which need not have ports.
    kAddress,    ///< All that goes to an address.
    kAll,        ///< Everything.
  };
  Kind kind = Kind::kAll;
  bool tagged = false;                     ///< Under one VLAN tag, whichever; else under none.
  std::uint8_t family = 0;                 ///< 4, 6; of kAll 0.
  std::uint8_t protocol = 0;               ///< Of kPort.
  std::uint16_t port = 0;                  ///< Of kPort; 0: any.
  std::array<std::uint8_t, 16> address{};  ///< Network order; of IPv4 the first four.

  friend auto operator<=>(const FlowRule&, const FlowRule&) = default;
};

/// How finely a device can tell packets apart.
enum class FlowGrain : std::uint8_t {
  kPort,     ///< By port: what goes to other ports of a service's address stays with Linux.
  kAddress,  ///< By address alone.
};

/// The rules that bring every packet for the services and for the NAT addresses of a node to its
/// workers, and as little else as the device can tell apart. Sorted, each once.
/// Packets under two VLAN tags only reach them on devices that look past tags unasked (mlx5).
[[nodiscard]] std::vector<FlowRule> flow_rules_of(const snapshot::Input& input, FlowGrain grain);

/// A rule as rte_flow takes it: items and, behind them in order, what they point to.
class FlowPattern {
 public:
  explicit FlowPattern(const FlowRule& rule);
  FlowPattern(const FlowPattern&) = delete;
  FlowPattern& operator=(const FlowPattern&) = delete;
  [[nodiscard]] const rte_flow_item* items() const noexcept { return items_.data(); }

 private:
  void add(rte_flow_item_type type, const void* spec, const void* mask,
           const void* last = nullptr) noexcept;
  void add_ipv4(const FlowRule& rule) noexcept;
  void add_ipv6(const FlowRule& rule) noexcept;

  template <class Item>
  struct Match {
    Item spec{}, mask{}, last{};
  };
  std::array<rte_flow_item, 5> items_{};
  std::size_t size_ = 0;
  Match<rte_flow_item_ipv4> v4_;
  Match<rte_flow_item_ipv6> v6_;
  Match<rte_flow_item_tcp> tcp_;
  Match<rte_flow_item_udp> udp_;
};

/// The part of rte_flow that the rules need: DPDK's own, or a test's.
struct FlowApi {
  decltype(&rte_flow_create) create = rte_flow_create;
  decltype(&rte_flow_destroy) destroy = rte_flow_destroy;
};

/// The rules of one started port in isolated mode, where only what a rule matches arrives.
class FlowRules {
 public:
  static constexpr std::size_t kMost = 4096;  ///< Of one port.

  struct Settings {
    std::uint16_t port = 0;       ///< DPDK's number.
    std::uint16_t queues = 1;     ///< The rules spread packets over all of them.
    std::uint64_t rss_types = 0;  ///< Of those that the device offers, by what it spreads.
  };

  /// Finds out by trying how finely the device tells packets apart.
  /// @return kUnsupported with the device's word when not even by address.
  [[nodiscard]] static Result<std::unique_ptr<FlowRules>> open(const Settings& settings,
                                                               const FlowApi& api = {});
  ~FlowRules();  ///< Removes them all.
  FlowRules(const FlowRules&) = delete;
  FlowRules& operator=(const FlowRules&) = delete;

  [[nodiscard]] FlowGrain grain() const noexcept { return grain_; }
  [[nodiscard]] std::size_t count() const noexcept { return installed_.size(); }
  /// The rules could not be had: everything comes to the workers.
  [[nodiscard]] bool takes_all() const noexcept { return takes_all_; }

  /// Makes the device's rules those of a published table: adds what is missing, then removes what
  /// is too much. Where that fails, or there would be more than kMost, one rule brings everything
  /// to the workers, until a call succeeds.
  /// @return kExhausted with the reason when it has come to that, and kIo when that failed as well.
  /// Cost: a device's command for each rule that differs.
  [[nodiscard]] Result<void> apply(const snapshot::Input& input);

 private:
  FlowRules(const Settings& settings, const FlowApi& api);
  [[nodiscard]] Result<rte_flow*> create(const FlowRule& rule);
  [[nodiscard]] Result<void> try_each(FlowGrain grain);
  [[nodiscard]] Result<void> add_missing(std::span<const FlowRule> wanted);
  [[nodiscard]] Result<void> take_all(const Error& reason);
  void keep_only(std::span<const FlowRule> wanted);

  Settings settings_;
  FlowApi api_;
  std::vector<std::uint16_t> queues_;
  FlowGrain grain_ = FlowGrain::kPort;
  bool takes_all_ = false;
  std::map<FlowRule, rte_flow*> installed_;
};

}  // namespace sluice::dataplane
