// SPDX-License-Identifier: Apache-2.0
// Everything that the page at "/" and other live views show, in one answer: what they show belongs
// to one moment, and each look is one request.
//
// Threads: slow path; counters are read while workers write them.
#pragma once

#include "control/event_log.hpp"
#include "control/views.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::control {

struct StatsFilter {
  /// Backends and health of these pools only, unknown ones left out; absent: of all.
  std::optional<std::vector<std::string>> pools;
  /// Events from this id on; absent: the last kLastEvents.
  std::optional<std::uint64_t> since;

  static constexpr std::uint64_t kLastEvents = 50;
};

/// The shapes are those of the answers that this one is made of. Decisions of the past are left
/// out: they change seldom and are long.
/// Cost: about 50 us a backend, its text included.
[[nodiscard]] Json view_stats(const Scene& scene, const EventLog& events,
                              const StatsFilter& filter);

}  // namespace sluice::control
