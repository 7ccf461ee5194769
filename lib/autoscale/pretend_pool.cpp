// SPDX-License-Identifier: Apache-2.0
#include "autoscale/pretend_pool.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace sluice::autoscale {

namespace {

constexpr double kMostPretended = 1e9;
constexpr double kMostSeconds = 1e9;
constexpr double kSlack = 1e-6;  // s: times kept relative to another origin lose their last digits

}  // namespace

double LateTerms::fading(double seconds) const { return std::pow(0.5, seconds / half_life_s); }

double pass(double& queue, double arrivals, double capacity, double seconds, double slo_wait_s) {
  const double able = std::max(capacity, 1e-9);
  const double wait_before = queue / able;
  queue = std::min(queue + arrivals, forecast::kMostKept);
  queue -= std::min(queue, capacity * seconds);
  const double wait_after = queue / able;
  const auto [least, most] = std::minmax(wait_before, wait_after);
  if (most <= slo_wait_s) return 0;
  // The wait went evenly from the one to the other.
  if (least >= slo_wait_s) return arrivals;
  return arrivals * (most - slo_wait_s) / (most - least);
}

void PretendPool::observe(double t, double arrivals, double seconds) {
  while (!coming_.empty() && coming_.front().first <= t - seconds + kSlack) {
    ready_ += coming_.front().second;
    starting_ -= coming_.front().second;
    coming_.pop_front();
  }
  const double late =
      pass(queue_, arrivals, static_cast<double>(ready_) * unit_, seconds, terms_.slo_wait_s);
  late_cost_ = terms_.late_cost * late;
  cost_ = std::min(cost_ * terms_.fading(seconds) +
                       static_cast<double>(backends()) * unit_ * seconds + late_cost_,
                   forecast::kMostKept);
}

void PretendPool::follow(double t, std::size_t wanted, double cold_start_s, double drain_s) {
  const std::size_t now = ready_ + starting_;
  if (wanted > now) {
    coming_.emplace_back(t + cold_start_s, wanted - now);
    starting_ += wanted - now;
    return;
  }
  std::size_t less = now - wanted;
  while (less > 0 && !coming_.empty()) {
    const std::size_t taken = std::min(less, coming_.back().second);
    coming_.back().second -= taken;
    starting_ -= taken;
    less -= taken;
    if (coming_.back().second == 0) coming_.pop_back();
  }
  ready_ -= less;
  cost_ = std::min(cost_ + static_cast<double>(less) * drain_s * unit_, forecast::kMostKept);
}

void PretendPool::keep(forecast::Fields& fields, double origin) {
  fields.whole("ready", ready_, static_cast<std::size_t>(kMostPretended));
  std::vector<double> when;
  std::vector<double> how_many;
  for (const auto& [at, count] : coming_) {
    when.push_back(std::clamp(at - origin, -kMostSeconds, kMostSeconds));
    how_many.push_back(static_cast<double>(count));
  }
  constexpr std::size_t kMostSteps = 100'000;
  fields.numbers("coming_s", when, 0, kMostSteps, -kMostSeconds, kMostSeconds);
  fields.numbers("coming", how_many, when.size(), when.size(), 0, kMostPretended);
  fields.number("queue", queue_, 0, forecast::kMostKept);
  fields.number("cost", cost_, 0, forecast::kMostKept);
  coming_.clear();
  starting_ = 0;
  for (std::size_t i = 0; i < when.size(); ++i) {
    const auto count = static_cast<std::size_t>(how_many[i]);
    coming_.emplace_back(when[i] + origin, count);
    starting_ += count;
  }
}

}  // namespace sluice::autoscale
