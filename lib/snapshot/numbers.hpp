// SPDX-License-Identifier: Apache-2.0
// Stable numbers for things with names: a name keeps its number as long as it is in use, and a
// number rests before another name gets it, so that no flow cache mistakes one for the other.
//
// Threads: slow path.
#pragma once

#include "base/result.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>

namespace sluice::snapshot {

class Numbers {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// @param limit  numbers are 0 to limit - 1; at most 65535.
  /// @param rest   how long a number is kept back after its name went: longer than a flow cache may
  ///               hold it.
  Numbers(std::size_t limit, std::chrono::seconds rest) noexcept : limit_(limit), rest_(rest) {}

  /// Makes `names` the set in use: known ones keep their numbers, new ones get rested numbers,
  /// longest rested first, then numbers never used, lowest first; those no longer named begin their
  /// rest. All or nothing.
  /// @return kExhausted when too few numbers are free or rested; the error says when one will be.
  [[nodiscard]] Result<void> use(std::span<const std::string> names, Time now);

  /// The number of a name in use; kNoNumber for any other.
  [[nodiscard]] std::uint16_t of(const std::string& name) const noexcept;
  static constexpr std::uint16_t kNoNumber = 0xffff;

  /// One more than the highest number ever given out.
  [[nodiscard]] std::size_t extent() const noexcept { return next_; }

 private:
  struct Resting {
    std::uint16_t number;
    Time until;
  };

  std::size_t limit_;
  std::chrono::seconds rest_;
  std::size_t next_ = 0;  ///< Numbers from here on were never given out.
  std::map<std::string, std::uint16_t> in_use_;
  std::deque<Resting> resting_;  ///< In order of `until`.
};

}  // namespace sluice::snapshot
