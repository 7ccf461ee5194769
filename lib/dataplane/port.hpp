// SPDX-License-Identifier: Apache-2.0
// Ports: DPDK devices opened by devargs, with their queues and packet buffers.
//
// Threads: opened, closed and asked by the slow path; workers use the ids.
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"
#include "dataplane/flow_rules.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

struct rte_eth_dev_info;
struct rte_mempool;

namespace sluice::dataplane {

/// Whether a port takes only what its rules bring to it, and leaves the rest to Linux.
enum class AskForRules : std::uint8_t { kNo, kWherePossible, kAlways };

struct PortSettings {
  std::string name;
  std::string device;             ///< Devargs.
  std::string interface = {};     ///< Linux's name of what the device is on, where it has one.
  std::optional<MacAddress> mac;  ///< Absent: the device's own.
  std::uint16_t mtu = 1500;       ///< Largest IP packet, bytes.
  std::uint16_t rx_queues = 1;
  std::uint16_t tx_queues = 1;  ///< One a worker: two workers never share one.
  bool ask_to_sum = false;      ///< Have the device make UDP checksums, where it offers to.
  bool ask_to_verify = false;   ///< Have it check those of received packets, likewise.
  AskForRules ask_for_rules = AskForRules::kNo;
};

/// The device's own counters and link.
struct PortStatus {
  bool link_up = false;  ///< By the device, and by Linux where it has an interface.
  std::uint64_t rx_packets = 0;
  std::uint64_t rx_missed = 0;  ///< Lost before a worker saw them: the worker was too slow.
  std::uint64_t rx_errors = 0;  ///< Including those for want of a buffer.
  std::uint64_t tx_packets = 0;
  std::uint64_t tx_errors = 0;
};

/// An open, started port.
class Port {
 public:
  /// Probes the device, sets its queues up with buffers of their own, and starts it.
  /// Buffers hold a whole packet of the MTU, whatever the device can split.
  /// @return kNotFound (no such device or interface), kUnsupported (too few queues, an MTU beyond
  ///   the device's, rules that it must have and does not), kExhausted (no memory for buffers),
  ///   kIo; `where` is the port's name.
  [[nodiscard]] static Result<Port> open(const PortSettings& settings);
  ~Port();  ///< Stops and closes the device.
  Port(Port&& other) noexcept;
  Port& operator=(Port&&) = delete;
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  [[nodiscard]] std::uint16_t id() const noexcept { return id_; }  ///< DPDK's number.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const MacAddress& mac() const noexcept { return mac_; }
  [[nodiscard]] PortStatus status() const noexcept;
  /// The driver leaves Linux its own copy of every packet (net_af_packet).
  [[nodiscard]] bool kernel_has_copy() const noexcept { return kernel_has_copy_; }
  /// The device sends packets of several segments.
  [[nodiscard]] bool sends_segments() const noexcept { return sends_segments_; }
  /// The device was asked to make UDP checksums, and does.
  [[nodiscard]] bool sums_udp() const noexcept { return sums_udp_; }
  /// The rules by which packets come to the port, none at first; null where it gets everything.
  [[nodiscard]] FlowRules* flow_rules() const noexcept { return flow_rules_.get(); }

 private:
  Port(std::uint16_t id, std::string name) noexcept : id_(id), name_(std::move(name)) {}
  [[nodiscard]] static Result<Port> probe(const PortSettings& settings);
  [[nodiscard]] Result<void> set_up(const PortSettings& settings);
  [[nodiscard]] Result<void> start(const PortSettings& settings, const rte_eth_dev_info& info);
  [[nodiscard]] Result<void> make_buffers(const PortSettings& settings, int socket);

  std::uint16_t id_;
  std::string name_;
  std::string interface_;
  MacAddress mac_;
  bool kernel_has_copy_ = false;
  bool sends_segments_ = false;
  bool sums_udp_ = false;
  std::unique_ptr<FlowRules> flow_rules_;
  rte_mempool* pool_ = nullptr;
  bool open_ = true;
};

}  // namespace sluice::dataplane
