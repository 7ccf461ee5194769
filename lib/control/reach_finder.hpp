// SPDX-License-Identifier: Apache-2.0
// From the kernel's next hops to hops by a port of ours.
//
// Threads: slow path.
#pragma once

#include "control/describe.hpp"
#include "netlink/next_hops.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace sluice::control {

class ReachFinder {
 public:
  /// @param changed  called when an answer of find() may have changed, once a turn of the loop.
  /// @return kIo when netlink is not to be had.
  [[nodiscard]] static Result<std::unique_ptr<ReachFinder>> open(EventLoop& loop,
                                                                 std::function<void()> changed);

  /// How `addresses` are reached by `ports`, now. From here on their changes are followed.
  /// Addresses that are new are given 50 ms to be resolved.
  [[nodiscard]] Reaches find(std::span<const IpAddress> addresses,
                             const std::vector<EgressPort>& ports);

  /// One line for each address whose reach differs between two calls of find().
  [[nodiscard]] std::vector<std::string> take_news() { return std::exchange(news_, {}); }

 private:
  explicit ReachFinder(std::unique_ptr<netlink::NextHops> hops) noexcept : hops_(std::move(hops)) {}
  std::unique_ptr<netlink::NextHops> hops_;
  Reaches last_;
  std::vector<std::string> news_;
};

/// What a next hop is to a node with these ports. Pure, for tests.
[[nodiscard]] Reach reach_of(const netlink::NextHop& hop, const std::vector<EgressPort>& ports);

}  // namespace sluice::control
