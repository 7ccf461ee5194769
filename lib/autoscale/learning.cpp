// SPDX-License-Identifier: Apache-2.0
#include "autoscale/learning.hpp"

#include <algorithm>
#include <cmath>

namespace sluice::autoscale {
namespace {

constexpr std::size_t kMostStarts = 20;
constexpr std::size_t kEnoughStarts = 10;  // then the configured figure is one among them no more
constexpr std::size_t kMostCapacities = 60;
constexpr double kPriorCapacities = 20;  // values that the configured capacity counts as
constexpr double kDay = 86400;

void push(std::vector<double>& values, double value, std::size_t most) {
  if (values.size() == most) values.erase(values.begin());
  values.push_back(value);
}

}  // namespace

ClassLearning::ClassLearning(const config::BackendClass& configured)
    : cold_start_s_(configured.cold_start_s), capacity_(configured.capacity) {
  sum_up();
}

void ClassLearning::start(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return;
  if (seconds > std::max(kDay, 100 * cold_start_s_)) return;
  push(starts_, seconds, kMostStarts);
  ++starts_seen_;
  sum_up();
}

void ClassLearning::capacity(double requests_per_second) {
  if (!std::isfinite(requests_per_second)) return;
  if (!plausible(requests_per_second)) return;
  push(capacities_, requests_per_second, kMostCapacities);
  sum_up();
}

bool ClassLearning::plausible(double requests_per_second) const {
  return requests_per_second >= capacity_ / 10 && requests_per_second <= capacity_ * 10;
}

void ClassLearning::sum_up() {
  std::vector<double> starts = starts_;
  if (starts.size() < kEnoughStarts) starts.push_back(cold_start_s_);
  std::ranges::sort(starts);
  const auto rank =
      static_cast<std::size_t>(std::ceil(0.9 * static_cast<double>(starts.size()) - 1e-9));
  figures_.cold_start_s = starts[rank - 1];
  figures_.starts = static_cast<unsigned>(std::min<std::size_t>(starts_seen_, 1'000'000'000));
  figures_.capacity = capacity_;
  if (capacities_.empty()) return;
  std::vector<double> sorted = capacities_;
  std::ranges::sort(sorted);
  const double median = sorted[sorted.size() / 2];
  const auto count = static_cast<double>(sorted.size());
  figures_.capacity = (kPriorCapacities * capacity_ + count * median) / (kPriorCapacities + count);
}

void ClassLearning::configure(const config::BackendClass& configured) {
  // Somebody who corrects a figure knows better than what was learned under the old one.
  if (configured.cold_start_s != cold_start_s_) starts_.clear();
  if (configured.capacity != capacity_) capacities_.clear();
  cold_start_s_ = configured.cold_start_s;
  capacity_ = configured.capacity;
  sum_up();
}

void ClassLearning::keep(forecast::Fields& fields) {
  constexpr double kLongestStart = 1e9;
  constexpr double kLargestCapacity = 1e12;
  fields.numbers("starts", starts_, 0, kMostStarts, 0, kLongestStart);
  fields.whole("starts_seen", starts_seen_, std::size_t{1} << 40U);
  fields.numbers("capacities", capacities_, 0, kMostCapacities, 0, kLargestCapacity);
  // The figures may have been corrected since.
  double cold_start_s = cold_start_s_;
  double capacity = capacity_;
  fields.number("configured_cold_start_s", cold_start_s, 0, kLongestStart);
  fields.number("configured_capacity", capacity, 0, kLargestCapacity);
  if (cold_start_s != cold_start_s_) starts_.clear();
  if (capacity != capacity_) capacities_.clear();
  std::erase_if(capacities_, [&](double one) { return !plausible(one); });
  sum_up();
}

}  // namespace sluice::autoscale
