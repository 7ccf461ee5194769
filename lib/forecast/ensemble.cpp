// SPDX-License-Identifier: Apache-2.0
#include "forecast/ensemble.hpp"

#include "base/assert.hpp"
#include "forecast/arima.hpp"
#include "forecast/holt_winters.hpp"
#include "forecast/kalman.hpp"
#include "forecast/last_value.hpp"
#include "forecast/linear.hpp"
#include "forecast/network.hpp"
#include "forecast/power.hpp"
#include "forecast/quantile.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace sluice::forecast {
namespace {

std::vector<std::unique_ptr<Forecaster>> one_of_each(const Options& options) {
  std::vector<std::unique_ptr<Forecaster>> all;
  all.push_back(std::make_unique<LastValue>());
  // Beside forecasts of what is to be expected, the median is the one of the quantiles to compare.
  all.push_back(std::make_unique<MovingQuantile>(20, 0.5));
  all.push_back(std::make_unique<Linear>());
  all.push_back(std::make_unique<HoltWinters>(options.season, options.horizon));
  all.push_back(std::make_unique<Arima>());
  all.push_back(std::make_unique<Kalman>(options.horizon));
  all.push_back(std::make_unique<Network>(options.horizon, options.seed));
  return all;
}

constexpr double kLeastReach = 0.1;  // of the greatest value seen
constexpr double kPeakLeft = 1 - 1.0 / 8192;

}  // namespace

Ensemble::Ensemble(const Options& options) : Ensemble(one_of_each(options), options.horizon) {}

Ensemble::Ensemble(std::vector<std::unique_ptr<Forecaster>> members, std::size_t horizon)
    : Forecaster(horizon), seen_(kSeen + Forecaster::horizon()) {
  SLUICE_ASSERT(!members.empty(), "an ensemble has a member");
  for (auto& member : members) {
    member->set_horizon(Forecaster::horizon());
    members_.push_back(
        {.forecaster = std::move(member), .record = Record(Forecaster::horizon(), kMemory)});
  }
  weights_.assign(members_.size(), 1);
}

// A line through a rise that fills what was seen goes on as far again; and a season may bring back
// what was there long ago.
double Ensemble::reach(std::size_t ahead) const {
  double least = seen_[0];
  double greatest = seen_[0];
  for (std::size_t age = 1; age < seen_.size(); ++age) {
    least = std::min(least, seen_[age]);
    greatest = std::max(greatest, seen_[age]);
  }
  const double times =
      std::max(1.0, static_cast<double>(ahead) / static_cast<double>(seen_.capacity()));
  const double apart = times * std::max(greatest - least, kLeastReach * greatest);
  return std::max(greatest + apart, (1 + kLeastReach) * peak_);
}

void Ensemble::step(double value) {
  seen_.push(value);
  peak_ = std::max(value, kPeakLeft * peak_);
  for (Member& member : members_) {
    member.forecaster->observe(value);
    member.promise = member.forecaster->at(horizon());
    member.record.step(value, member.promise);
  }
  weigh();
}

void Ensemble::weigh() {
  if (seen_.empty()) return;
  const double most = reach(horizon());
  const auto sound = [&](const Member& member) { return member.promise <= most; };
  double best = kMostKept;
  for (const Member& member : members_) {
    if (!sound(member)) continue;
    best = std::min(best, member.record.error());
  }
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const Member& member = members_[i];
    weights_[i] = sound(member) ? share_by_error(best, member.record.error(), kSharpness) : 0;
  }
}

double Ensemble::expect(std::size_t ahead) const {
  if (seen_.empty()) return 0;
  const double most = reach(ahead);
  double sum = 0;
  double all = 0;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (weights_[i] <= 0) continue;
    const double said =
        ahead == horizon() ? members_[i].promise : members_[i].forecaster->at(ahead);
    sum += weights_[i] * std::min(said, most);
    all += weights_[i];
  }
  return all > 0 ? sum / all : seen_[0];
}

std::string_view Ensemble::leader() const noexcept {
  const auto most = std::ranges::max_element(weights_) - weights_.begin();
  return members_[static_cast<std::size_t>(most)].forecaster->name();
}

std::vector<Ensemble::Share> Ensemble::shares() const {
  double all = 0;
  for (const double weight : weights_) all += weight;
  std::vector<Share> shares;
  for (std::size_t i = 0; i < members_.size(); ++i)
    shares.push_back({members_[i].forecaster->name(), all > 0 ? weights_[i] / all : 0,
                      members_[i].record.error()});
  return shares;
}

void Ensemble::horizon_changed() {
  Window other(kSeen + horizon());
  other.assign(seen_.values());
  seen_ = std::move(other);
  for (Member& member : members_) {
    member.forecaster->set_horizon(horizon());
    member.record.set_horizon(horizon());
    member.promise = member.forecaster->at(horizon());
  }
  weigh();
}

void Ensemble::fields(Fields& kept) {
  seen_.fields(kept, "seen", 0, kMostValue);
  kept.number("peak", peak_, 0, kMostValue);
  for (Member& member : members_) {
    kept.nested(member.forecaster->name(), [&](Fields& inner) {
      inner.nested("state", [&](Fields& state) { member.forecaster->keep(state); });
      inner.nested("record", [&](Fields& record) { member.record.fields(record); });
      inner.require(member.forecaster->horizon() == horizon(), "state",
                    "a member with the horizon of all was expected");
    });
    member.promise = member.forecaster->at(horizon());
  }
  weigh();
}

}  // namespace sluice::forecast
