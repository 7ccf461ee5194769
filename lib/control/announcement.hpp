// SPDX-License-Identifier: Apache-2.0
// The node's word to the routers above it: the services' addresses are on a link while the node is
// ready and a backend serves them, and off it at once when not.
//
// Threads: slow path.
#pragma once

#include "base/address.hpp"
#include "base/event_loop.hpp"
#include "config/configuration.hpp"
#include "control/event_log.hpp"
#include "netlink/announcer.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::control {

/// Whether a pool is worth packets now; an empty function: each is.
using PoolServes = std::function<bool(const config::Pool&)>;

class Announcement {
 public:
  /// How often what others did to the link is mended.
  static constexpr std::chrono::seconds kMendEvery{5};

  Announcement(std::unique_ptr<netlink::Announcer> announcer, EventLog& events) noexcept
      : announcer_(std::move(announcer)), events_(events) {}

  /// Call it often: it asks the kernel only when something changed, or after kMendEvery.
  /// @param trouble  why the node is not ready; empty: it is.
  void step(std::string_view trouble, const config::Configuration& running,
            EventLoop::Clock::time_point now, const PoolServes& serves = {});

  /// Addresses that are on the link now, as far as is known.
  [[nodiscard]] const std::vector<IpAddress>& announced() const noexcept { return announced_; }
  [[nodiscard]] const std::string& link() const noexcept { return announcer_->link(); }
  /// Why the link does not have what it should; empty: it has.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  void tell(const std::vector<IpAddress>& wanted, std::string_view trouble,
            const config::Configuration& running);

  std::unique_ptr<netlink::Announcer> announcer_;
  EventLog& events_;
  std::vector<IpAddress> announced_;
  std::string problem_;
  EventLoop::Clock::time_point mend_at_{};
};

/// Addresses of the services, each once, in order; without those none of whose services has a pool
/// that serves, be it its own, a shard's, or one that takes the overflow of these.
[[nodiscard]] std::vector<IpAddress> service_addresses(const config::Configuration& running,
                                                       const PoolServes& serves = {});

}  // namespace sluice::control
