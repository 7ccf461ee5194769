// SPDX-License-Identifier: Apache-2.0
// What is asked of whoever starts and stops backends, and what came of it.
//
// Threads: values.
#pragma once

#include "base/address.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::actuate {

enum class Verb : std::uint8_t {
  kStart,  ///< A backend of that name and class shall run; harmless when it does.
  kStop,   ///< None of that name shall run; harmless when none does.
  kSleep,  ///< It keeps its place and gives up what is dear.
  kWake,
  kList,   ///< Which backends run, whoever started them.
  kCount,  ///< So many shall run in all: for those who name backends themselves.
};
[[nodiscard]] std::string_view name_of(Verb verb) noexcept;  ///< "start", "stop", ...
[[nodiscard]] std::optional<Verb> verb_named(std::string_view name) noexcept;

struct Order {
  std::string id = {};  ///< Idempotency key: never given to another order. The same at each retry.
  Verb verb = Verb::kList;
  std::string pool = {};
  std::string backend_class = {};  ///< Of all but kList and kCount.
  std::string name = {};  ///< Likewise; of kCount: the one to go, where one is to; else empty.
  unsigned count = 0;     ///< Of kCount.
  /// Whose backends it is about: "NODE/POOL". Several nodes may use one actuator.
  std::string owner = {};

  friend bool operator==(const Order&, const Order&) = default;
};

/// A backend, as those who run it tell.
struct Member {
  enum class Standing : std::uint8_t {
    kAwake,
    kAsleep,
    kLeaving,  ///< It is about to end, by somebody else's will.
  };
  std::string name = {};
  IpAddress address = {};
  std::uint16_t port = 0;          ///< 0: the service's.
  std::string backend_class = {};  ///< Empty: not told.
  Standing standing = Standing::kAwake;
  std::string owner = {};  ///< Of the order that started it; empty: not told.

  friend bool operator==(const Member&, const Member&) = default;
};

/// The end of an order. Each order has one, sooner or later.
struct Report {
  enum class End : std::uint8_t {
    kDone,
    kFailed,    ///< Tried, again and again: something may have come of it.
    kTimedOut,  ///< No answer in time: likewise.
    kRefused,   ///< Nothing came of it and nothing will.
  };
  std::string order_id = {};
  End end = End::kDone;
  std::vector<Member> members = {};  ///< Of kStart and kWake: the one; of kList: all.
  std::optional<unsigned> count{};   ///< Of kList and kCount: how many are asked for now.
  std::string error = {};            ///< One line for people; empty when done.

  friend bool operator==(const Report&, const Report&) = default;
};
[[nodiscard]] std::string_view name_of(Report::End end) noexcept;  ///< "done", "failed", ...

/// What an actuator can do; the fleet asks nothing else of it.
struct Ability {
  bool by_count = false;     ///< Takes kCount only, and names backends itself.
  bool lists = false;        ///< kList tells all that run.
  bool can_sleep = false;    ///< kSleep and kWake.
  bool last_leaves = false;  ///< By count: always the one with the highest number goes.
  /// The only backends that there are to start, where it can start no others; a start of `name` is
  /// of that one. Those of a class are started in this order.
  std::vector<Member> known = {};
};

constexpr std::size_t kMostMembers = 4096;  ///< In one answer.
constexpr std::size_t kLongestName = 64;    ///< As in the configuration.
constexpr std::size_t kLongestOwner = 2 * kLongestName + 1;

}  // namespace sluice::actuate
