// SPDX-License-Identifier: Apache-2.0
#include "health/schedule.hpp"

#include <algorithm>

namespace sluice::health {
namespace {

std::chrono::microseconds part(std::chrono::microseconds whole, double share) {
  return std::chrono::microseconds(
      static_cast<std::int64_t>(static_cast<double>(whole.count()) * share));
}

}  // namespace

// The same numbers with every standard library, which its distributions do not promise.
double Schedule::fraction() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

std::chrono::microseconds Schedule::first(const config::Health& check, std::size_t together) {
  const auto spread = std::min<std::chrono::microseconds>(
      check.interval, std::chrono::milliseconds(static_cast<std::int64_t>(together)));
  return part(spread, fraction());
}

std::chrono::microseconds Schedule::next(const config::Health& check, bool fast) {
  const auto interval =
      fast && check.fast_interval.count() > 0 ? check.fast_interval : check.interval;
  return part(interval, 1 + check.jitter * (2 * fraction() - 1));
}

}  // namespace sluice::health
