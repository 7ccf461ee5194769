// SPDX-License-Identifier: Apache-2.0
// What the tests of next hops have in hand inside their network namespaces.
//
// Threads: as in_namespaces().
#pragma once

#include "netlink/next_hops.hpp"
#include "network_namespace.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string_view>
#include <vector>

namespace sluice::netlink {

inline IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }
inline MacAddress mac(std::string_view text) { return MacAddress::parse(text).value(); }

inline const MacAddress kFar = mac("02:00:00:00:00:02");

/// What each test has in hand inside its namespaces.
struct Scene {
  explicit Scene(const Lab& a_lab) : lab(a_lab) {
    hops->set_on_change([this] { ++notices; });
  }

  void want(std::initializer_list<std::string_view> texts) {
    std::vector<IpAddress> addresses;
    for (const auto text : texts) addresses.push_back(ip(text));
    hops->want(addresses);
  }
  NextHop of(std::string_view address) const { return hops->lookup(ip(address)); }

  /// Turns the loop until the answer for `address` is of that kind; its last answer either way.
  NextHop await(std::string_view address, HopState state, MacAddress expected = {}) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    NextHop hop = of(address);
    while (hop.state != state || (!expected.is_zero() && hop.mac != expected)) {
      if (std::chrono::steady_clock::now() > give_up) {
        ADD_FAILURE() << address << " stays " << static_cast<int>(hop.state) << " " << hop.problem;
        break;
      }
      loop->turn(std::chrono::milliseconds(20));
      ahead += std::chrono::milliseconds(
          200);  // the pauses of our own pass sooner; the kernel keeps its time
      hop = of(address);
    }
    return hop;
  }
  NextHop await_ready(std::string_view address, MacAddress expected = kFar) {
    return await(address, HopState::kReady, expected);
  }

  /// Turns the loop until all the news that the kernel has sent is taken in.
  void catch_up() {
    while (loop->turn(std::chrono::milliseconds(20))) {
    }
  }

  const Lab& lab;
  EventLoop::Clock::duration ahead{0};  ///< Moves the loop's clock on.
  std::unique_ptr<EventLoop> loop =
      EventLoop::open([this] { return EventLoop::Clock::now() + ahead; }).value();
  std::unique_ptr<NextHops> hops = NextHops::open(*loop).value();
  int notices = 0;
};

/// Runs the body in namespaces of its own, or skips the test.
inline void in_scene(const std::function<void(Scene&)>& body) {
  const auto problem = in_namespaces([&](const Lab& lab) {
    Scene scene(lab);
    body(scene);
  });
  if (!problem.empty()) GTEST_SKIP() << problem;
}

}  // namespace sluice::netlink
