// SPDX-License-Identifier: Apache-2.0
#include "autoscale/outlook.hpp"

#include "autoscale/level.hpp"
#include "autoscale/tuning.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace sluice::autoscale {
namespace {

using forecast::Kind;
using forecast::kMostValue;

constexpr double kLow = 0.05;
constexpr double kHigh = 0.95;
constexpr std::size_t kYoung = 40;    // errors: before, the first member speaks alone
constexpr std::size_t kRecent = 60;   // steps that the prior looks back
constexpr std::size_t kErrors = 960;  // four hours of steps of 15 s
constexpr double kLeastScale = 1e-9;  // requests/s; errors are divided by it
constexpr double kMostVariance = kMostValue * kMostValue;

constexpr std::array kMembers{Kind::kLastValue, Kind::kQuantile, Kind::kLinear, Kind::kHoltWinters,
                              Kind::kArima,     Kind::kKalman,   Kind::kNetwork};

Kind kind_of(config::ForecastKind kind) {
  using config::ForecastKind;
  switch (kind) {
    case ForecastKind::kEnsemble:
      return Kind::kEnsemble;
    case ForecastKind::kLastValue:
      return Kind::kLastValue;
    case ForecastKind::kQuantile:
      return Kind::kQuantile;
    case ForecastKind::kLinear:
      return Kind::kLinear;
    case ForecastKind::kHoltWinters:
      return Kind::kHoltWinters;
    case ForecastKind::kArima:
      return Kind::kArima;
    case ForecastKind::kKalman:
      return Kind::kKalman;
    case ForecastKind::kNetwork:
      return Kind::kNetwork;
  }
  return Kind::kLastValue;
}

// Quantile of the standard normal distribution, to 0.00045: Abramowitz and Stegun, 26.2.23.
double normal_quantile(double share) {
  if (share <= 0.5) return 0;
  const double t = std::sqrt(-2 * std::log(1 - share));
  return t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                 (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
}

// The same of Student's distribution, by its first terms: ibid., 26.7.5.
double student_quantile(double share, double degrees) {
  const double z = normal_quantile(share);
  const double z3 = z * z * z;
  return z + (z3 + z) / (4 * degrees) +
         (5 * z3 * z * z + 16 * z3 + 3 * z) / (96 * degrees * degrees);
}

}  // namespace

Outlook::Member::Member(std::unique_ptr<forecast::Forecaster> f, bool is_additive,
                        std::size_t horizon)
    : forecaster(std::move(f)),
      additive(is_additive),
      errors(kErrors),
      promised(horizon),
      scale(horizon),
      asked(horizon) {}

Outlook::Outlook(const Options& options) : options_(options) {
  const auto add = [&](std::unique_ptr<forecast::Forecaster> forecaster, bool additive) {
    forecaster->set_horizon(options_.horizon);
    members_.emplace_back(std::move(forecaster), additive, options_.horizon);
  };
  const auto known = [&](Kind kind, bool additive) {
    add(forecast::make(kind, {.season = options_.season, .horizon = options_.horizon}), additive);
  };
  if (options_.forecaster != config::ForecastKind::kEnsemble) {
    const Kind kind = kind_of(options_.forecaster);
    known(kind, kind == Kind::kQuantile);
    return;
  }
  add(std::make_unique<Level>(kFastLevel), false);
  add(std::make_unique<Level>(kMiddleLevel), false);
  add(std::make_unique<Level>(kSlowLevel), true);
  for (const Kind kind : kMembers) known(kind, kind == Kind::kQuantile);
}

void Outlook::observe(double rate) {
  rate = std::clamp(rate, 0.0, kMostValue);
  ++steps_;
  const double young = 1 / static_cast<double>(steps_);
  mean_ += std::max(kLongMean, young) * (rate - mean_);
  const double recent = 1 / static_cast<double>(std::min(steps_, kRecent));
  const double off = rate - recent_mean_;
  recent_mean_ += recent * off;
  if (steps_ > 1)
    recent_variance_ += (off * (rate - recent_mean_) - recent_variance_) /
                        static_cast<double>(std::min(steps_, kRecent) - 1);
  const double requests =
      kTimeShare + (1 - kTimeShare) * rate / std::max(mean_, 1e-9);  // 1 for the mean load
  for (auto& member : members_) {
    member.forecaster->observe(rate);
    learn(member, rate, requests);
    promise(member);
  }
  weigh();
  sum_up();
}

void Outlook::learn(Member& member, double rate, double requests) const {
  if (!member.promised.full() || steps_ <= options_.horizon + kGuesses) return;
  const double error = rate - member.promised.oldest();
  member.errors.add(error / member.scale.oldest(), std::min(requests, kErrorWeight));
  const double over = rate - member.asked.oldest();
  const double share = options_.shares.set;
  const double heavy = kLossTimeShare + (1 - kLossTimeShare) * std::min(requests, kLossWeight);
  const double loss = over > 0 ? share * over * heavy : (share - 1) * over;
  ++member.seen;
  const double weight = std::max(kLossMemory, 1 / static_cast<double>(member.seen + 1));
  member.loss += weight * (loss - member.loss);
  member.miss += weight * (std::abs(error) - member.miss);
}

void Outlook::promise(Member& member) const {
  member.expected = std::min(member.forecaster->at(options_.horizon), kMostValue);
  // Counts vary by their square root; a backend's tenth is what nobody can see.
  const double size = member.additive ? mean_ : member.expected;
  const double scale =
      std::max(kLeastScale, std::sqrt(size * size + size * kCountNoise / options_.step_s +
                                      options_.unit * options_.unit * 0.01));
  const std::array shares{options_.shares.rise, options_.shares.set, options_.shares.keep};
  for (std::size_t i = 0; i < shares.size(); ++i) member.cover[i] = bound(member, scale, shares[i]);
  member.low = bound(member, scale, kLow);
  member.high = bound(member, scale, kHigh);
  member.promised.push(member.expected);
  member.scale.push(scale);
  member.asked.push(member.cover[1]);
}

double Outlook::bound(const Member& member, double scale, double share) const {
  const auto count = static_cast<double>(member.errors.size());
  const double known = count / (count + kPriorErrors);
  double value = (1 - known) * prior(share);
  if (count > 0) {
    // A jump makes an error in each step until it is known: one jump says nothing of the next.
    const auto event = std::min(options_.horizon, static_cast<std::size_t>(kRareErrors * count));
    value += known * (member.expected + member.errors.at(share, event) * scale);
  }
  return std::clamp(value, 0.0, kMostValue);
}

// Before errors are known: what the few values seen say of the next one, were they alike
// (Student's prediction interval, narrowed: they are not independent).
double Outlook::prior(double share) const {
  const auto count = static_cast<double>(steps_);
  const double spread = std::sqrt(std::max(recent_variance_, 0.0) + recent_mean_ / options_.step_s);
  const double sides = share < 0.5 ? -1 : 1;
  const double t = student_quantile(share < 0.5 ? 1 - share : share, std::max(1.0, count - 1));
  return recent_mean_ + sides * kPriorWidth * t * spread * std::sqrt(1 + 1 / count);
}

void Outlook::weigh() {
  double best = std::numeric_limits<double>::infinity();
  for (const auto& member : members_) best = std::min(best, member.loss);
  const bool young = members_.front().seen < kYoung;
  double sum = 0;
  for (auto& member : members_) {
    if (young) {
      member.weight = &member == &members_.front() ? 1 : 0;
    } else {
      const double excess = member.loss / (best + 1e-9 * options_.unit) - 1;
      // A power, not an exponential: the same digits on every machine.
      const double kept = 1 / (1 + kSharpness * excess);
      member.weight = kept * kept * kept * kept;
    }
    sum += member.weight;
  }
  for (auto& member : members_) member.weight /= sum;
}

void Outlook::sum_up() {
  expected_ = low_ = high_ = error_ = 0;
  cover_ = {};
  for (const auto& member : members_) {
    expected_ += member.weight * member.expected;
    low_ += member.weight * member.low;
    high_ += member.weight * member.high;
    error_ += member.weight * member.miss;
    for (std::size_t i = 0; i < cover_.size(); ++i) cover_[i] += member.weight * member.cover[i];
  }
}

void Outlook::set_horizon(std::size_t horizon, double unit) {
  options_.unit = unit;
  if (horizon == options_.horizon) return;
  options_.horizon = horizon;
  for (auto& member : members_) {
    member.forecaster->set_horizon(horizon);
    // Promises that are open are of another horizon: they are dropped, what was learned stays.
    member.promised = forecast::Window(horizon);
    member.scale = forecast::Window(horizon);
    member.asked = forecast::Window(horizon);
  }
}

std::string_view Outlook::forecaster() const noexcept {
  const auto heaviest = std::ranges::max_element(members_, {}, &Member::weight);
  return heaviest->forecaster->leader();
}

void Outlook::keep(forecast::Fields& fields) {
  using forecast::kMostKept;
  fields.whole("steps", steps_, std::size_t{1} << 40U);
  fields.number("mean", mean_, 0, kMostKept);
  fields.number("recent_mean", recent_mean_, -kMostKept, kMostKept);
  fields.number("recent_variance", recent_variance_, -kMostVariance, 2 * kMostVariance);
  fields.whole("horizon", options_.horizon, forecast::kLongestAhead);
  fields.require(options_.horizon > 0, "horizon", "is not a number of steps");
  for (auto& member : members_) {
    fields.nested(member.forecaster->name(), [&](forecast::Fields& nested) {
      nested.nested("forecaster", [&](forecast::Fields& own) { member.forecaster->keep(own); });
      member.errors.keep(nested, "errors");
      const auto window = [&](forecast::Window& kept, std::string_view name, double least) {
        if (kept.capacity() != options_.horizon) kept = forecast::Window(options_.horizon);
        kept.fields(nested, name, least, kMostKept);
      };
      window(member.promised, "promised", 0);
      window(member.scale, "scale", kLeastScale);
      window(member.asked, "asked", 0);
      nested.require(member.scale.size() == member.promised.size() &&
                         member.asked.size() == member.promised.size(),
                     "promised", "is not as long as scale and asked");
      nested.number("loss", member.loss, 0, kMostKept);
      nested.number("miss", member.miss, 0, kMostKept);
      nested.whole("seen", member.seen, std::size_t{1} << 40U);
      nested.number("weight", member.weight, 0, 1);
      nested.number("expected", member.expected, 0, kMostKept);
      nested.number("low", member.low, 0, kMostKept);
      nested.number("high", member.high, 0, kMostKept);
      for (std::size_t i = 0; i < member.cover.size(); ++i)
        nested.number(std::to_string(i), member.cover[i], 0, kMostKept);
    });
  }
  sum_up();
}

}  // namespace sluice::autoscale
