// SPDX-License-Identifier: Apache-2.0
// What a fleet is shown each step, and what it wants done.
//
// Threads: values.
#pragma once

#include "actuate/order.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::actuate {

/// A backend of the pool's table, as it is now.
struct Seen {
  enum class Health : std::uint8_t {
    kStarting,  ///< Nothing is known yet.
    kReady,     ///< Up or degraded, whatever the operator wishes of it.
    kDown,      ///< Down or ejected.
  };
  enum class Wish : std::uint8_t { kServe, kDrain, kMaintenance };

  std::string name = {};
  std::string backend_class = {};
  IpAddress address = {};
  std::uint16_t port = 0;
  Health health = Health::kStarting;
  Wish wish = Wish::kServe;
  std::optional<std::uint64_t> flows{};  ///< Live ones; none: not known, and so there may be some.
  bool configured = false;               ///< The configuration file lists it.
};

struct Input {
  double t = 0;                        ///< Seconds of a clock that never goes back.
  std::vector<unsigned> wanted = {};   ///< By class: ready or on their way. See Decision::wanted.
  std::vector<Seen> backends = {};     ///< All of the table, whoever added them.
  std::vector<Report> reports = {};    ///< Since the step before, in the order they came.
  std::vector<std::string> refused{};  ///< Names of kAdd that the table did not take.
  bool act = true;                     ///< false: advice only. Nothing is ordered or changed.
};

/// What is to be done now. All but kOrder and kEvent come again in the next step while the table is
/// not as they ask for, so that none needs an answer.
struct Action {
  enum class Kind : std::uint8_t {
    kOrder,    ///< `order` to the actuator.
    kAdd,      ///< `member` into the table.
    kDrain,    ///< `member.name` gets no new flows.
    kUndrain,  ///< It gets them again.
    kRemove,   ///< It leaves the table.
    kEvent,    ///< To be told: `event`, one word, and `text`.
  };
  Kind kind = Kind::kEvent;
  Order order = {};
  Member member = {};
  bool warning = false;  ///< Of kEvent.
  std::string event = {};
  std::string text = {};

  friend bool operator==(const Action&, const Action&) = default;
};

/// Since the step before: for the controller to learn from.
struct Lessons {
  struct Start {
    std::string backend_class;
    double seconds;  ///< From the order to the first good answer to a health check.
  };
  std::vector<Start> starts = {};
  std::vector<double> drains_s = {};  ///< From the drain to the last flow's end.
  unsigned disbelieved = 0;           ///< Orders reported as done that cannot be.
};

}  // namespace sluice::actuate
