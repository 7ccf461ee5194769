// SPDX-License-Identifier: Apache-2.0
#include "forecast/residuals.hpp"

#include "base/assert.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace sluice::forecast {
namespace {

constexpr double kLowShare = 0.25;  // of the mean: below it a value is low
constexpr double kLeastPromise = 1e-9;
constexpr double kMostRatio = 1e6;

double ratio_of(double truth, double promise) {
  return std::min(truth / std::max(promise, kLeastPromise), kMostRatio);
}

void insert(std::vector<double>& sorted, double value) {
  sorted.insert(std::upper_bound(sorted.begin(), sorted.end(), value), value);
}

void remove(std::vector<double>& sorted, double value) {
  const auto found = std::lower_bound(sorted.begin(), sorted.end(), value);
  SLUICE_ASSERT(found != sorted.end() && *found == value, "an error that goes was there");
  sorted.erase(found);
}

// Between two neighbours it is interpolated.
double quantile(const std::vector<double>& sorted, double q) {
  const double at = std::clamp(q, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  if (below + 1 >= sorted.size()) return sorted.back();
  const double part = at - static_cast<double>(below);
  return sorted[below] + part * (sorted[below + 1] - sorted[below]);
}

}  // namespace

Residuals::Residuals(std::size_t ahead, std::size_t window)
    : promises_(std::clamp<std::size_t>(ahead, 1, kLongestAhead)),
      truth_(window),
      promise_(window),
      additive_(window) {}

double Residuals::level(double promise) const noexcept {
  return std::max({promise, kLowShare * mean_truth(), kLeastPromise});
}

void Residuals::step(double truth, double promise) {
  SLUICE_ASSERT(std::isfinite(truth) && truth >= 0, "a load is a number from 0 on");
  SLUICE_ASSERT(std::isfinite(promise) && promise >= 0, "a promise is a number from 0 on");
  if (promises_.full()) {
    if (truth_.full()) forget_oldest();
    learn(std::min(truth, kMostValue), promises_.oldest());
  }
  promises_.push(std::min(promise, kMostValue));
}

void Residuals::forget_oldest() {
  const double truth = truth_.oldest();
  const double promise = promise_.oldest();
  remove(ratios_, ratio_of(truth, promise));
  remove(additives_, additive_.oldest());
  remove(lesser_, std::min(truth, promise));
  truth_sum_ -= truth;
  error_sum_ -= std::abs(truth - promise);
}

void Residuals::learn(double truth, double promise) {
  truth_.push(truth);
  promise_.push(promise);
  truth_sum_ += truth;
  error_sum_ += std::abs(truth - promise);
  // What adding and taking away leaves behind must not outlive the values it came from.
  if (++since_sum_ >= truth_.capacity()) sum_up();
  additive_.push((truth - promise) / std::sqrt(level(promise)));
  insert(ratios_, ratio_of(truth, promise));
  insert(additives_, additive_[0]);
  insert(lesser_, std::min(truth, promise));
}

void Residuals::sum_up() {
  since_sum_ = 0;
  truth_sum_ = 0;
  error_sum_ = 0;
  for (std::size_t age = truth_.size(); age-- > 0;) {
    truth_sum_ += truth_[age];
    error_sum_ += std::abs(truth_[age] - promise_[age]);
  }
}

double Residuals::mean_truth() const noexcept {
  return count() == 0 ? 0 : std::max(truth_sum_, 0.0) / static_cast<double>(count());
}

double Residuals::mean_absolute() const noexcept {
  return count() == 0 ? 0 : std::max(error_sum_, 0.0) / static_cast<double>(count());
}

double Residuals::error_ratio() const noexcept {
  return mean_truth() > 0 ? mean_absolute() / mean_truth() : 0;
}

bool Residuals::sparse() const noexcept {
  const double limit = kLowShare * mean_truth();
  if (!(limit > 0)) return true;
  const auto low = std::lower_bound(lesser_.begin(), lesser_.end(), limit) - lesser_.begin();
  return static_cast<double>(low) > kSparseShare * static_cast<double>(count());
}

double Residuals::ratio(double q) const { return enough() ? quantile(ratios_, q) : 1; }

double Residuals::additive(double q) const { return enough() ? quantile(additives_, q) : 0; }

double Residuals::bound(double forecast, double q) const {
  if (!enough()) return forecast;
  if (!sparse()) return forecast * ratio(q);
  return std::max(forecast + additive(q) * std::sqrt(level(forecast)), 0.0);
}

void Residuals::set_horizon(std::size_t ahead) {
  ahead = std::clamp<std::size_t>(ahead, 1, kLongestAhead);
  if (ahead != promises_.capacity()) promises_ = Window(ahead);
}

void Residuals::keep(Fields& fields) {
  std::size_t ahead = promises_.capacity();
  fields.whole("ahead", ahead, kLongestAhead);
  set_horizon(ahead);
  promises_.fields(fields, "promises", 0, kMostValue);
  truth_.fields(fields, "truth", 0, kMostValue);
  promise_.fields(fields, "promise", 0, kMostValue);
  additive_.fields(fields, "additive", -kMostKept, kMostKept);
  fields.whole("since_sum", since_sum_, truth_.capacity());
  fields.number("truth_sum", truth_sum_, -kMostKept, kMostKept);
  fields.number("error_sum", error_sum_, -kMostKept, kMostKept);
  fields.require(truth_.size() == promise_.size() && truth_.size() == additive_.size(), "truth",
                 "as many numbers as in promise and additive were expected");
  sort_errors();
}

void Residuals::sort_errors() {
  ratios_.clear();
  additives_ = additive_.values();
  lesser_.clear();
  for (std::size_t age = 0; age < count(); ++age) {
    ratios_.push_back(ratio_of(truth_[age], promise_[age]));
    lesser_.push_back(std::min(truth_[age], promise_[age]));
  }
  std::ranges::sort(ratios_);
  std::ranges::sort(additives_);
  std::ranges::sort(lesser_);
}

nlohmann::json Residuals::save() const {
  Residuals copy(*this);
  return write_fields([&](Fields& to) { copy.keep(to); });
}

Result<void> Residuals::restore(const nlohmann::json& state) {
  Residuals read(promises_.capacity(), truth_.capacity());
  if (auto done = read_fields(state, [&](Fields& from) { read.keep(from); }); !done) return done;
  *this = std::move(read);
  return {};
}

}  // namespace sluice::forecast
