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

/// One answer, handed out piece by piece: of a node with ten thousand backends it has 8 MB. What
/// the first piece has is of one moment; backends and their health, which come last, are as they
/// are when their piece is made.
///
/// The shapes are those of the answers that this one is made of. Decisions of the past are left
/// out: they change seldom and are long.
class StatsText {
 public:
  static constexpr std::size_t kBackendsPerPiece = 256;

  StatsText(const Scene& scene, const EventLog& events, const StatsFilter& filter);
  /// Adds the next piece. @return false: there was none left, nothing was added.
  /// Cost: about 10 us a backend that is in it, and 0.5 us for each of its pool.
  bool next(const Scene& scene, std::string& out);

 private:
  enum class Part : std::uint8_t { kHead, kBackends, kHealth, kTail, kNone };
  void put_backends(const Scene& scene, std::string& out);
  void put_health(const Scene& scene, std::string& out);
  /// The next stretch of the pools, or the next part when there is none.
  void go_on(std::size_t pool_size);

  std::string head_;
  std::vector<std::string> pools_;
  Part part_ = Part::kHead;
  std::size_t pool_ = 0;  ///< In pools_.
  std::size_t from_ = 0;  ///< In the pool.
  bool first_ = true;     ///< Nothing is in this part's list yet.
};

}  // namespace sluice::control
