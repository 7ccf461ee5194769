// SPDX-License-Identifier: Apache-2.0
// Watches what NAT ran out of, and says when it begins and when it is over.
//
// Threads: slow path.
#pragma once

#include "control/event_log.hpp"
#include "dataplane/counters.hpp"

#include <array>
#include <cstdint>

namespace sluice::control {

class NatWatch {
 public:
  /// Looks without a drop after which a shortage is over.
  static constexpr unsigned kQuietLooks = 10;

  /// Compares with the look before: the first drops of a shortage are an event (`no_nat_port`,
  /// `nat_table_full`, `hand_over_full`), and so is its end, with the count of packets it cost.
  /// Call it every second.
  void look(const dataplane::Books& books, EventLog& events);

 private:
  struct Shortage {
    std::uint64_t last = 0;   ///< Drops at the look before.
    std::uint64_t began = 0;  ///< Drops before the shortage.
    unsigned quiet = 0;       ///< Looks without a drop since; while it lasts.
    bool lasts = false;
  };
  static constexpr std::array kWatched{Verdict::kNoNatPort, Verdict::kNatTableFull,
                                       Verdict::kHandOverFull};

  std::array<Shortage, kWatched.size()> shortages_{};
};

}  // namespace sluice::control
