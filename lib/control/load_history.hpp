// SPDX-License-Identifier: Apache-2.0
// What a pool's load was, by the clock on the wall, and its file: requests that came a second, a
// day by the second and 14 days by the minute.
//
// Threads: slow path; load() and save() wait for the disk.
#pragma once

#include "base/result.hpp"
#include "forecast/series.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::control {

class LoadHistory {
 public:
  using Wall = std::chrono::system_clock::time_point;

  /// How far the wall's clock may be from where the time that passed has brought it: more is a
  /// jump. It is believed when it has lasted for kSettle: a clock that is wrong for a moment, as
  /// after a start without a battery, must not push 14 days out.
  static constexpr double kJump = 5;                      ///< Seconds.
  static constexpr double kSettle = 600;                  ///< Seconds.
  static constexpr std::size_t kMostPoints = 10'000;      ///< Of one stretch.
  static constexpr std::size_t kLongestFile = 1U << 20U;  ///< Bytes; ours have 430,000 at most.
  static constexpr std::size_t kMostLookedAt = 2'000;     ///< Files by remove_histories().

  /// @param seconds   that passed since the call before, by a clock that only goes forward.
  /// @param requests  that came in them; std::nullopt: nobody knows.
  /// Cost: some ns a second.
  void add(Wall wall, double seconds, std::optional<double> requests);

  /// A stretch of means, requests a second; not a number where nothing is known.
  struct Stretch {
    std::int64_t from_s = 0;  ///< Since 1970; a multiple of the step.
    std::int64_t step_s = 60;
    std::vector<double> requests_per_s = {};
    std::optional<std::int64_t> next_s = {};  ///< Where the next stretch begins; absent: no more.
  };
  /// @param step_s  1 (a day back) or 60 (14 days back).
  /// @param from_s  absent: from what is known first.
  /// Cost: 1 ms at most.
  [[nodiscard]] Stretch stretch(std::int64_t step_s, std::optional<std::int64_t> from_s) const;

  /// Goes on from a file. None is no problem; one that is damaged is kept beside and forgotten.
  /// @return the problem, as load_state() does; empty: there is none.
  [[nodiscard]] std::string load(const std::filesystem::path& file);
  /// Writes the file whole, making its folder. Cost: 2 ms and a flush of up to 430,000 bytes.
  [[nodiscard]] Result<void> save(const std::filesystem::path& file) const;

  [[nodiscard]] const forecast::Series& series() const noexcept { return series_; }

 private:
  void follow(Wall wall, double seconds);

  forecast::Series series_;
  std::optional<double> clock_;  ///< Seconds since 1970 that the series goes by.
  double astray_s_ = 0;          ///< For so long the wall's clock has been elsewhere.
  // Of the second that is not over.
  double requests_ = 0;
  double known_s_ = 0;
};

/// Where a pool's history is in the folder of all.
[[nodiscard]] std::filesystem::path history_file(const std::filesystem::path& folder,
                                                 std::string_view pool);

struct RemovedHistory {
  std::string pool;
  std::string problem;  ///< Why it is still there; empty: it is gone.
};

/// Removes the histories of pools that are not among `keep`. Left alone is whatever save() did not
/// write: other names, folders, links, files that do not begin as a history does, and those that
/// were damaged and are kept beside.
/// Cost: some 20 us a file, of kMostLookedAt at most; the rest is the next call's.
[[nodiscard]] std::vector<RemovedHistory> remove_histories(
    const std::filesystem::path& folder, const std::set<std::string, std::less<>>& keep);

}  // namespace sluice::control
