// SPDX-License-Identifier: Apache-2.0
// What all members of tables of one size share on their way through the entries: the scrambled
// order, its inverse, the clock, and division by the size.
//
// Threads: immutable once made; of() from any thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace sluice::maglev {

class Course {
 public:
  /// Entries that may be read behind the end of scrambled(), where it begins anew.
  static constexpr std::uint32_t kOverlap = 32;

  /// The course of a size, which is a prime up to kLargestSize. One that somebody still holds is
  /// handed out again. Cost: 4 ns and 12 bytes an entry when it has to be made.
  [[nodiscard]] static std::shared_ptr<const Course> of(std::uint32_t size);

  explicit Course(std::uint32_t size);

  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

  /// A fixed permutation of 0 .. size-1 without arithmetic structure, and its first kOverlap
  /// numbers once more.
  [[nodiscard]] const std::uint32_t* scrambled() const noexcept { return scrambled_.data(); }
  /// Where in scrambled() a number stands.
  [[nodiscard]] const std::uint32_t* places() const noexcept { return places_.data(); }
  /// Time at which a member of weight 1 takes its k-th step, in 2^-27: the expected time by which
  /// k+1 of `size` independent exponential clocks have rung. With it a member of weight w is first
  /// at an entry with probability w / (sum of all weights), whatever the weights. Integers, because
  /// a logarithm differs between mathematical libraries, and all nodes must agree; rounded once.
  [[nodiscard]] const float* times() const noexcept { return times_.data(); }

  /// x mod size, for x below size * size. Two multiplications of 32 bits and no branch, so that
  /// compilers make it several at once.
  [[nodiscard]] std::uint32_t modulo(std::uint64_t x) const noexcept {
    const std::uint64_t leading = x >> before_;                      // below 2^28
    const std::uint64_t quotient = leading * reciprocal_ >> after_;  // right, or one too small
    const auto rest = static_cast<std::uint32_t>(x) - static_cast<std::uint32_t>(quotient) * size_;
    const std::uint32_t less = rest - size_;
    return less < rest ? less : rest;  // of an unsigned too small a number, the difference is large
  }

  /// The number that multiplied with x, 1 to size-1, is 1 mod size.
  [[nodiscard]] std::uint32_t inverse(std::uint32_t x) const noexcept;

 private:
  std::uint32_t size_;
  unsigned before_;
  unsigned after_;
  std::uint32_t reciprocal_;
  std::vector<std::uint32_t> scrambled_;
  std::vector<std::uint32_t> places_;
  std::vector<float> times_;
};

}  // namespace sluice::maglev
