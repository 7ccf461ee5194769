// SPDX-License-Identifier: Apache-2.0
#include "maglev/course.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

namespace sluice::maglev {
namespace {

/// A bijection of the next power of two with what is too large left out.
std::vector<std::uint32_t> scramble(std::uint32_t size) {
  const auto bits = static_cast<unsigned>(std::bit_width(size - 1));
  const std::uint32_t mask = (1U << bits) - 1;
  const unsigned half = (bits + 1) / 2;
  std::vector<std::uint32_t> order(std::size_t{size} + Course::kOverlap);
  std::uint32_t found = 0;
  for (std::uint32_t i = 0; i <= mask; ++i) {
    std::uint32_t x = (i + 0x2545f491U) & mask;
    x ^= x >> half;
    x = (x * 0x9e3779b1U) & mask;
    x ^= x >> half;
    x = (x * 0x85ebca6bU) & mask;
    x ^= x >> half;
    order[found] = x;           // what is left out last goes where the overlap begins
    found += x < size ? 1 : 0;  // no branch: nothing could predict it
  }
  for (std::uint32_t i = 0; i < Course::kOverlap; ++i) order[size + i] = order[i % size];
  return order;
}

}  // namespace

Course::Course(std::uint32_t size)
    : size_(size), scrambled_(scramble(size)), places_(size), times_(size) {
  // Barrett's reduction with four bits more than it needs: the quotient is at most one too small.
  const auto bits = static_cast<unsigned>(std::bit_width(size));
  before_ = bits > 5 ? bits - 5 : 0;
  after_ = bits + 30 - before_;
  reciprocal_ = static_cast<std::uint32_t>((std::uint64_t{1} << (bits + 30)) / size);
  for (std::uint32_t i = 0; i < size; ++i) places_[scrambled_[i]] = i;
  std::uint32_t sum = 0;
  for (std::uint32_t k = 0; k < size; ++k)
    times_[k] = static_cast<float>(sum += (1U << 27) / (size - k));
}

std::shared_ptr<const Course> Course::of(std::uint32_t size) {
  static std::mutex mutex;
  static std::map<std::uint32_t, std::weak_ptr<const Course>> known;
  const std::lock_guard lock(mutex);  // who needs one that is being made had to make it himself
  auto& place = known[size];
  if (auto there = place.lock()) return there;
  std::erase_if(known, [&](const auto& one) { return one.first != size && one.second.expired(); });
  auto made = std::make_shared<const Course>(size);
  place = made;
  return made;
}

// Euclid's algorithm, with the factor of x alone.
std::uint32_t Course::inverse(std::uint32_t x) const noexcept {
  std::uint32_t large = size_;
  std::uint32_t small = x;
  std::int64_t of_large = 0;
  std::int64_t of_small = 1;
  while (small > 1) {
    const std::uint32_t times = large / small;
    large = std::exchange(small, large - times * small);
    of_large = std::exchange(of_small, of_large - times * of_small);
  }
  return static_cast<std::uint32_t>(of_small < 0 ? of_small + size_ : of_small);
}

}  // namespace sluice::maglev
