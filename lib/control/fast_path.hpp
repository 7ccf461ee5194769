// SPDX-License-Identifier: Apache-2.0
// The fast path as the slow path owns it: DPDK, the XDP filter, ports and workers, brought up and
// taken down in the one order that works.
//
// Threads: slow path; the workers it launches run on their own lcores.
#pragma once

#include "base/result.hpp"
#include "config/configuration.hpp"
#include "control/driver_events.hpp"
#include "dataplane/counters.hpp"
#include "dataplane/eal.hpp"
#include "dataplane/hand_over.hpp"
#include "dataplane/port.hpp"
#include "dataplane/worker.hpp"
#include "health/signals.hpp"
#include "snapshot/publisher.hpp"
#include "snapshot/snapshot.hpp"
#include "xdp/filter.hpp"

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sluice::control {

/// What the filter is on one port's interface.
struct PortFilter {
  std::string interface;
  xdp::AttachReport report;
};

class FastPath {
 public:
  /// Starts DPDK, takes the interfaces of net_af_xdp ports with the XDP filter, and opens the
  /// ports. Nothing is forwarded yet. A process can call it once.
  /// @return the first error, with its place and remedy; what was opened is closed again.
  [[nodiscard]] static Result<std::unique_ptr<FastPath>> open(
      const config::Configuration& configuration);
  ~FastPath();  ///< stop(), then closes the ports and DPDK.
  FastPath(const FastPath&) = delete;
  FastPath& operator=(const FastPath&) = delete;

  /// Creates and starts the workers. @return kExhausted, kIo.
  [[nodiscard]] Result<void> launch(const snapshot::Publisher& publisher);

  /// Has the filter let the services of a snapshot pass to the workers, refuse what no backend
  /// takes, and nothing else. @param running  what the snapshot was made of. @param awaiting
  /// pools whose first backend is to come: nothing for them is refused.
  [[nodiscard]] Result<void> admit(const snapshot::Snapshot& snapshot,
                                   const config::Configuration& running,
                                   const std::set<std::string>& awaiting = {});
  /// Has the filter deny, limit, answer and watch as the configuration says.
  [[nodiscard]] Result<void> protect(const config::Configuration& running);
  /// When the driver last saw an answer of a backend to the node itself; std::nullopt: never, or
  /// nobody looks.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> driver_saw(
      const IpAddress& address) const;

  /// Readable while poll_driver_events() has something; -1: nobody looks.
  [[nodiscard]] int driver_events_fd() const noexcept;
  /// What the driver saw of watched backends, oldest first, `most` at once.
  [[nodiscard]] std::vector<DriverEvent> poll_driver_events(std::size_t most);
  /// By kind, those that were polled.
  [[nodiscard]] const std::array<std::uint64_t, 4>& driver_event_counts() const noexcept {
    return driver_event_counts_;
  }
  /// Those that found no room, since the node's maps were made; 0 where nobody looks.
  [[nodiscard]] std::uint64_t driver_events_lost() const;

  /// Ends the workers after the bursts at hand and takes the filter off the interfaces.
  void stop();

  [[nodiscard]] const std::vector<dataplane::Port>& ports() const noexcept { return ports_; }
  [[nodiscard]] const std::vector<std::unique_ptr<dataplane::Worker>>& workers() const noexcept {
    return workers_;
  }
  /// By port index; std::nullopt where no filter of ours is.
  [[nodiscard]] const std::vector<std::optional<PortFilter>>& filters() const noexcept {
    return port_filters_;
  }
  /// The filter's counters on an interface; empty when they cannot be read.
  [[nodiscard]] std::vector<xdp::Stat> filter_statistics(const std::string& interface) const;
  /// What a backend's traffic has shown so far, all workers together.
  [[nodiscard]] health::Signals signals(std::uint16_t backend) const;
  /// Flows that a backend has now, all workers together; see flow::Active.
  [[nodiscard]] std::uint64_t active_flows(std::uint16_t backend) const;
  /// A worker that has not turned for longer than `limit`: its number; std::nullopt: all turn.
  [[nodiscard]] std::optional<unsigned> stuck_worker(std::chrono::milliseconds limit) const;
  [[nodiscard]] std::vector<MacAddress> macs() const;
  /// All workers' books together.
  [[nodiscard]] dataplane::Books books() const;

 private:
  explicit FastPath(config::Configuration configuration)
      : configuration_(std::move(configuration)) {}
  [[nodiscard]] Result<void> attach_filters();
  [[nodiscard]] Result<void> open_ports();
  [[nodiscard]] unsigned worker_count() const;
  [[nodiscard]] dataplane::WorkerSettings worker_settings(unsigned number, unsigned workers,
                                                          unsigned lcore) const;

  config::Configuration configuration_;
  std::optional<dataplane::Eal> eal_;
  std::optional<xdp::Filter> filter_;
  std::vector<std::optional<PortFilter>> port_filters_;
  std::optional<std::vector<IpPrefix>> denied_;  ///< As the filter has them; absent: not known.
  std::map<IpAddress, std::uint32_t> watched_;   ///< Numbers of backends, to the filter.
  std::vector<IpAddress> watched_by_number_;
  std::array<std::uint64_t, 4> driver_event_counts_{};
  std::vector<dataplane::Port> ports_;
  std::vector<std::optional<dataplane::Port>> exceptions_;  ///< Beside `ports_`.
  std::unique_ptr<dataplane::HandOver> hand_over_;  ///< Where there are more workers than one.
  std::vector<std::unique_ptr<dataplane::Worker>> workers_;
  bool launched_ = false;
};

}  // namespace sluice::control
