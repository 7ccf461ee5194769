// SPDX-License-Identifier: Apache-2.0
// How to reach an address: the kernel's routes say by which interface and gateway, its neighbours
// say with which MAC. Both are followed; what is not known is made known.
//
// Threads: all on the event loop's thread, in whose network namespace open() was called.
#pragma once

#include "base/address.hpp"
#include "base/event_loop.hpp"
#include "base/result.hpp"
#include "netlink/socket.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace sluice::netlink {

/// Whether a frame can be addressed, or else why not.
enum class HopState : std::uint8_t {
  kReady,          ///< `mac` and the interface are known.
  kResolving,      ///< The kernel is asking; it takes up to three seconds.
  kNoAnswer,       ///< Nobody answers; the kernel asks again every few seconds.
  kNoRoute,        ///< No route leads there.
  kRefused,        ///< A route refuses it: unreachable or prohibited.
  kBlackhole,      ///< A route drops it.
  kLocal,          ///< It is an address of this node.
  kNotUnicast,     ///< It is a broadcast or multicast address.
  kLinkDown,       ///< The interface is down or has no carrier.
  kNoLinkAddress,  ///< The interface has no MAC addresses, or does not ask for them.
  kTableFull,      ///< The kernel's neighbour table has no room.
  kUnknown,        ///< Not among the wanted addresses, or the kernel could not be asked.
};

struct NextHop {
  HopState state = HopState::kUnknown;
  MacAddress mac;           ///< With kReady only; else zero.
  int interface_index = 0;  ///< From the route; 0 as long as there is none.
  std::string interface;    ///< The name of that; the caller decides whether it is a port of ours.
  IpAddress gateway;  ///< Whose MAC it is: the router's, or with `on_link` the address itself.
  bool on_link = false;
  std::uint32_t mtu = 0;  ///< Largest IP packet on that way: of route and interface; 0: unknown.
  std::string problem;    ///< One sentence; empty with kReady.

  [[nodiscard]] bool ready() const noexcept { return state == HopState::kReady; }
  friend bool operator==(const NextHop&, const NextHop&) = default;
};

class NextHops {
 public:
  /// Starts to follow the kernel's tables from within `loop`, which must live longer.
  /// @return kIo when netlink is not to be had.
  [[nodiscard]] static Result<std::unique_ptr<NextHops>> open(EventLoop& loop);
  NextHops(const NextHops&) = delete;
  NextHops& operator=(const NextHops&) = delete;
  ~NextHops();

  /// The addresses to follow from now on, in place of those before. Routes of new ones are asked
  /// for at once and resolution is started, so that lookup() answers right after. Cost: two system
  /// calls for a new address, some microseconds.
  void want(std::span<const IpAddress> addresses);

  /// Waits until none of these wanted addresses is still being resolved, at most `at_most`. The one
  /// place where the slow path waits: a neighbour that lives answers in less than a millisecond,
  /// and a backend that is published with its next hop loses none of its first packets.
  void settle(std::span<const IpAddress> addresses, std::chrono::milliseconds at_most);

  /// What is known of a wanted address; HopState::kUnknown for others. Asks nobody.
  [[nodiscard]] NextHop lookup(const IpAddress& address) const;

  /// Is called when an answer of lookup() has changed other than by want(): once for all changes of
  /// a turn, at its end.
  void set_on_change(std::function<void()> changed) { changed_ = std::move(changed); }

  /// How often something was done, for metrics and tests.
  struct Counts {
    std::uint64_t resyncs = 0;      ///< Everything asked anew: at the start and when news was lost.
    std::uint64_t route_scans = 0;  ///< All routes asked anew.
    std::uint64_t probes = 0;       ///< Resolutions started.
    std::uint64_t notices = 0;      ///< Calls of the change callback.
  };
  [[nodiscard]] const Counts& counts() const noexcept { return counts_; }

 private:
  using Key = std::pair<int, IpAddress>;  ///< Interface index and address: one neighbour.
  struct Wanted {
    Route route;
    int refusal = 0;      ///< errno of the kernel's "no", 0 with a route.
    std::string failure;  ///< Why the kernel could not be asked.
    NextHop answer;
    bool evaluated = false;  ///< `answer` has been given once.
  };
  /// A neighbour that some wanted address needs.
  struct Target {
    EventLoop::Clock::time_point probed{};  ///< Last time resolution was started.
    bool failed = false;                    ///< It did not answer, and has not since.
    bool no_room = false;                   ///< The kernel refused to make an entry.
  };

  NextHops(EventLoop& loop, Socket news, Socket questions) noexcept;
  void hear();
  void take(const Message& message);
  void take_link(const Link& link);
  void take_neighbour(const Neighbour& neighbour);
  void refresh_soon();
  void refresh();
  void ask_again();
  void resync();
  void scan_routes();
  void ask_route(const IpAddress& address, Wanted& wanted);
  void update_targets();
  void probe(const Key& key, Target& target);
  void tick();
  bool evaluate_all();  ///< Whether an answer differs from the one given before.
  [[nodiscard]] NextHop evaluate(const IpAddress& address, const Wanted& wanted) const;
  [[nodiscard]] NextHop reach_neighbour(NextHop hop, const Link& link) const;
  [[nodiscard]] static Key key_of(const IpAddress& address, const Route& route);

  EventLoop& loop_;
  Socket news_;
  Socket questions_;
  std::map<IpAddress, Wanted> wanted_;
  std::map<int, Link> links_;
  std::map<Key, Neighbour> neighbours_;
  std::map<Key, Target> targets_;
  std::function<void()> changed_;
  Counts counts_;
  EventLoop::TimerId tick_ = EventLoop::TimerId::kNone;
  EventLoop::TimerId scan_timer_ = EventLoop::TimerId::kNone;
  EventLoop::Clock::time_point
      next_scan_{};  ///< Not before: scans take at most a fifth of the time.
  EventLoop::Clock::time_point last_scan_{};
  bool lost_ = true;
  bool routes_changed_ = false;
  bool refresh_asked_ = false;
  bool unnoticed_ = false;  ///< An answer has changed and nobody was told yet.
  std::shared_ptr<NextHops*> self_ = std::make_shared<NextHops*>(this);  ///< For deferred tasks.
};

}  // namespace sluice::netlink
