// SPDX-License-Identifier: Apache-2.0
#include "forecast/holt_winters.hpp"

#include "base/assert.hpp"
#include "forecast/power.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace sluice::forecast {
namespace {

constexpr std::size_t kMostSteps = std::size_t{1} << 52U;

}  // namespace

const std::vector<Smoothing> HoltWinters::kChoices = {
    {.level = 0.1, .trend = 0.05, .season = 0.3, .damping = 0.95},
    {.level = 0.3, .trend = 0.05, .season = 0.3, .damping = 0.95},
    {.level = 0.6, .trend = 0.05, .season = 0.3, .damping = 0.95},
    {.level = 0.3, .trend = 0.2, .season = 0.3, .damping = 0.9},
};

HoltWinters::HoltWinters(std::size_t season, std::size_t horizon, std::vector<Smoothing> choices)
    : Forecaster(horizon), given_(std::min(season, kLongestSeason)) {
  SLUICE_ASSERT(!choices.empty(), "there is a set of parameters");
  for (const Smoothing& one : choices)
    models_.push_back({.with = one, .record = Record(Forecaster::horizon(), kMemory)});
}

std::size_t HoltWinters::slot_at(std::size_t step) const noexcept {
  return season_ == 0 ? 0 : step % season_ * slots_ / season_;
}

void HoltWinters::Model::step(double value, std::size_t slot, double steps_per_slot) {
  const double expected = level + with.damping * trend;
  const double offset = slots.empty() ? 0 : slots[slot];
  const double error = value - expected - offset;
  level = within_kept(expected + with.level * error);
  trend = within_kept(with.damping * trend + with.level * with.trend * error);
  // A slot of many steps learns a little at each, as much at a pass as one of a single step.
  if (!slots.empty()) slots[slot] = within_kept(slots[slot] + with.season / steps_per_slot * error);
}

double HoltWinters::Model::expect(std::size_t ahead, std::size_t slot) const {
  return level + damped_steps(with.damping, ahead) * trend + (slots.empty() ? 0 : slots[slot]);
}

void HoltWinters::step(double value) {
  const std::size_t slot = slot_at(steps_);
  const double steps_per_slot =
      season_ == 0 ? 1 : static_cast<double>(season_) / static_cast<double>(slots_);
  for (Model& model : models_) {
    if (steps_ == 0)
      model.level = value;
    else
      model.step(value, slot, steps_per_slot);
  }
  ++steps_;
  if (given_ == 0) {
    if (finder_.observe(value)) look_for_season();
  } else if (given_ > 1 && steps_ <= given_) {
    learn_first_season(value);
  }
  const std::size_t then = slot_at(steps_ - 1 + horizon());
  for (Model& model : models_)
    model.record.step(value, std::clamp(model.expect(horizon(), then), 0.0, kMostValue));
}

void HoltWinters::learn_first_season(double value) {
  const std::size_t slots = std::min(given_, kSlots);
  first_.resize(slots);
  first_[(steps_ - 1) * slots / given_] += value;
  if (steps_ < given_) return;
  double sum = 0;
  for (const double one : first_) sum += one;
  const double mean = sum / static_cast<double>(given_);
  std::vector<double> count(slots);
  for (std::size_t i = 0; i < given_; ++i) count[i * slots / given_] += 1;
  for (std::size_t i = 0; i < slots; ++i) first_[i] = first_[i] / count[i] - mean;
  set_season(given_, first_);
  for (Model& model : models_) {
    model.level = mean;
    model.trend = 0;
  }
  first_.clear();
}

void HoltWinters::look_for_season() {
  const std::size_t found = finder_.find();
  if (found == season_) return;
  if (found == 0) return set_season(0, {});
  // Of the history without its mean, by slot: what is typical of it.
  const std::vector<double>& buckets = finder_.buckets();
  const std::size_t width = finder_.width();
  const std::size_t slots = std::min(found / width, kSlots);
  std::vector<double> sum(slots);
  std::vector<double> count(slots);
  double all = 0;
  // Whole periods only: a part of one would count as a season of its own.
  const std::size_t used = buckets.size() / (found / width) * (found / width);
  for (std::size_t age = 0; age < used; ++age) {
    const double value = buckets[buckets.size() - 1 - age];
    // The middle of a bucket that ended so many steps ago; steps before the first count on from
    // a multiple of the season.
    const std::size_t back = finder_.open() + age * width + width / 2 + 1;
    const std::size_t step = steps_ + (back / found + 1) * found - back;
    const std::size_t slot = step % found * slots / found;
    sum[slot] += value;
    count[slot] += 1;
    all += value;
  }
  const double mean = all / static_cast<double>(used);
  for (std::size_t i = 0; i < slots; ++i) sum[i] = count[i] > 0 ? sum[i] / count[i] - mean : 0;
  set_season(found, sum);
}

void HoltWinters::set_season(std::size_t season, std::span<const double> profile) {
  const std::size_t last = steps_ - 1;
  for (Model& model : models_) {
    if (season_ != 0) model.level = within_kept(model.level + model.slots[slot_at(last)]);
    model.slots.assign(profile.begin(), profile.end());
  }
  season_ = season;
  slots_ = profile.size();
  if (season_ == 0) return;
  for (Model& model : models_) model.level = within_kept(model.level - model.slots[slot_at(last)]);
}

const HoltWinters::Model& HoltWinters::best() const {
  return *std::ranges::min_element(models_, {}, [](const Model& m) { return m.record.error(); });
}

double HoltWinters::expect(std::size_t ahead) const {
  if (steps_ == 0) return 0;
  return best().expect(ahead, slot_at(steps_ - 1 + ahead));
}

void HoltWinters::horizon_changed() {
  for (Model& model : models_) model.record.set_horizon(horizon());
}

void HoltWinters::fields(Fields& kept) {
  if (given_ == 0) kept.nested("finder", [&](Fields& inner) { finder_.fields(inner); });
  if (given_ > 1) kept.numbers("first", first_, 0, kSlots, 0, kMostKept);
  kept.whole("season", season_, kLongestSeason);
  kept.whole("slots", slots_, kSlots);
  kept.whole("steps", steps_, kMostSteps);
  for (std::size_t i = 0; i < models_.size(); ++i) {
    Model& model = models_[i];
    kept.nested(fmt::format("model_{}", i), [&](Fields& inner) {
      inner.number("level", model.level, -kMostKept, kMostKept);
      inner.number("trend", model.trend, -kMostKept, kMostKept);
      inner.numbers("slots", model.slots, 0, kSlots, -kMostKept, kMostKept);
      model.record.fields(inner);
      inner.require(model.slots.size() == slots_, "slots", "one offset a slot was expected");
    });
  }
  kept.require((season_ == 0) == (slots_ == 0) && slots_ <= season_, "season",
               "one with slots was expected");
  kept.require(given_ < 2 || season_ == 0 || season_ == given_, "season",
               "the one that was given was expected");
  kept.require(given_ != 1 || season_ == 0, "season", "none was expected");
  const bool first_pass = given_ > 1 && steps_ > 0 && steps_ < given_;
  kept.require(first_.size() == (first_pass ? std::min(given_, kSlots) : 0), "first",
               "one sum a slot was expected during the first season");
  kept.require(given_ < 2 || (season_ != 0) == (steps_ >= given_), "steps",
               "a season after its first pass was expected");
}

}  // namespace sluice::forecast
