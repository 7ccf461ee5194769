// SPDX-License-Identifier: Apache-2.0
// What one scrape told of a backend's load, each number believed only as far as it can be one.
//
// Threads: one at a time.
#pragma once

#include "scrape/exposition_reader.hpp"
#include "scrape/presets.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::scrape {

using Time = std::chrono::steady_clock::time_point;

/// Why a signal has no value.
enum class Fault : std::uint8_t {
  kNone,
  kMissing,     ///< No sample of any of its names.
  kNotANumber,  ///< NaN or infinite.
  kNegative,
  kAbsurd,  ///< Above the bounds below; a share above 1.
};
[[nodiscard]] std::string_view name(Fault fault) noexcept;  ///< "missing", "not a number", ...

inline constexpr double kMostCompleted = 1e12;  ///< Requests since a server's start.
inline constexpr double kMostInside = 1e6;      ///< Requests running, or waiting, in one backend.

/// Absent signals are unknown, not 0.
struct Reading {
  Time at{};
  std::optional<double> running = {};
  std::optional<double> waiting = {};
  std::optional<double> completed = {};  ///< A counter since the server's start.
  std::optional<double> cache = {};      ///< Share in use, 0 to 1.
  std::array<Fault, kSignals> faults{};  ///< By Signal; kNone where there is a value.

  /// Requests in the backend. One of the two alone will do, when the other is missing: not every
  /// server queues, or tells of it. Unknown when both are missing or one is wrong.
  [[nodiscard]] std::optional<double> inside() const noexcept;
  /// "running is missing, cache is absurd"; empty: every signal but the cache has a value. The
  /// cache's share is named only when it is told and wrong: no decision rests on it.
  [[nodiscard]] std::string trouble() const;
};

/// Gathers one scrape's samples; see Choice for what counts. A signal with one bad sample has no
/// value: the sum of the others would be too low.
class Gathering {
 public:
  /// @param choices  of the backend's pool; shared by all its backends.
  explicit Gathering(std::shared_ptr<const Choices> choices);

  [[nodiscard]] bool wants(std::string_view name) const noexcept;
  void take(const Sample& sample) noexcept;
  /// What came together since the last call.
  [[nodiscard]] Reading finish(Time at);

 private:
  struct Tally {
    double sum = 0;
    double greatest = 0;
    std::size_t count = 0;
    Fault fault = Fault::kNone;
  };

  std::shared_ptr<const Choices> choices_;
  std::array<std::vector<Tally>, kSignals> tallies_;  ///< By signal and alternative.
};

}  // namespace sluice::scrape
