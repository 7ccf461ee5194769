// SPDX-License-Identifier: Apache-2.0
#include "autoscale/predictive.hpp"

#include "autoscale/tuning.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace sluice::autoscale {
namespace {

constexpr double kStep = 15;        // s over which a rate is taken: long enough to mean something
constexpr double kLongWaits = 3;    // waits that are just in time, of a queue that is a long one
constexpr double kSameUnit = 0.05;  // relative change of a backend's capacity that means nothing
constexpr std::size_t kMostMissed = 240;  // steps of a gap that are made up for; then all is new

double step_of(const Predictive::Options& options) { return std::max(kStep, options.tick_s); }

std::size_t steps(double seconds, double step_s, std::size_t most) {
  const double whole = std::ceil(seconds / step_s - 1e-9);
  return static_cast<std::size_t>(std::clamp(whole, 1.0, static_cast<double>(most)));
}

// In units; what is over a whole one by rounding is not a reason for another backend.
double units(double capacity, double unit) { return std::ceil(capacity / unit - 1e-9); }

}  // namespace

Predictive::Predictive(const Options& options)
    : options_(options),
      step_s_(step_of(options)),
      outlook_({.forecaster = options.forecaster,
                .season = options.season_s > 0
                              ? steps(options.season_s, step_s_, forecast::kLongestSeason)
                              : 0,
                .horizon = horizon(),
                .unit = options.unit,
                .step_s = step_s_,
                .shares = {.rise = kShareRise, .set = kShareSet, .keep = kShareKeep}}),
      constant_need_(options.unit, std::max(1U, options.max), options.late),
      pretended_(options.unit, options.late) {}

std::size_t Predictive::horizon() const {
  return steps(horizon_s(), step_s_, forecast::kLongestAhead);
}

double Predictive::fall_span() const {
  if (options_.stabilisation_s > 0) return options_.stabilisation_s;
  return std::max(kLeastSpan, options_.cold_start_s + options_.drain_s);
}

void Predictive::observe(double t, double arrivals, double seconds, double queue, double capacity) {
  if (seen_s_ == 0) pretended_.begin(static_cast<std::size_t>(units(capacity, options_.unit)));
  seen_s_ += seconds;
  queue_ = queue;
  waiting_s_ = queue > 0 ? waiting_s_ + seconds : 0;
  rate_ = arrivals / seconds;
  step_arrivals_ += arrivals;
  step_seconds_ += seconds;
  // A first value at once, so that there is something to go by; then one a step. Ticks that were
  // missed are made up for at their mean rate.
  if (outlook_.steps() == 0 || step_seconds_ >= step_s_ - 1e-6) {
    const double rate = step_arrivals_ / step_seconds_;
    const auto whole = static_cast<std::size_t>((step_seconds_ + 1e-6) / step_s_);
    for (std::size_t i = 0; i < std::clamp<std::size_t>(whole, 1, kMostMissed); ++i)
      outlook_.observe(rate);
    step_arrivals_ = step_seconds_ = 0;
  }
  pretended_.observe(t, arrivals, seconds);
  constant_need_.observe(arrivals, seconds);
  const auto& cover = outlook_.cover();
  const double keep = std::max(units(cover[1] + queue / kBacklogSpan, options_.unit),
                               units(cover[2], options_.unit));
  floors_.add(t, keep, fall_span());
  pretended_.follow(t, rule(pretended_.backends(), pretended_.queue()), options_.cold_start_s,
                    options_.drain_s);
  remember_late(seconds);
  judge();
}

std::size_t Predictive::rule(std::size_t now, double queue) const {
  const auto& cover = outlook_.cover();
  const double backlog = queue / kBacklogSpan;
  const double set = units(cover[1] + backlog, options_.unit);
  const double rise = seen_s_ < kLearning ? set : units(cover[0] + backlog, options_.unit);
  const auto present = static_cast<double>(now);
  double wanted = present;
  if (rise > present)
    wanted = set;
  else if (seen_s_ >= kLearning && floors_.peak() + kDeadBand * present < present)
    wanted = floors_.peak();
  return static_cast<std::size_t>(
      std::clamp(wanted, static_cast<double>(options_.min), static_cast<double>(options_.max)));
}

// How often the pretended pool was late, and what that cost. What a burst brings while backends
// start is one episode.
void Predictive::remember_late(double seconds) {
  const double fading = options_.late.fading(seconds);
  const double late = pretended_.late_cost();
  late_cost_ = std::min(late_cost_ * fading + late, forecast::kMostKept);
  episodes_ *= fading;
  if (late > 0 && punctual_s_ > horizon_s()) episodes_ += 1;
  punctual_s_ = late > 0 ? 0 : std::min(punctual_s_ + seconds, kLongAgo);
}

// Which of the two would have been cheaper, the past fading. The constant has the advantage of
// hindsight, and has to be better by more than that; once it is, it stays while it is better at
// all. Lateness that is rare in a long record is no reason: what stood ready for the next time
// would stand there for long.
void Predictive::judge() {
  if (constant_) {
    constant_ = constant_need_.cost() <= pretended_.cost();
    return;
  }
  const double memory = options_.late.half_life_s / std::numbers::ln2;
  const bool often = episodes_ * kEpisodeEvery >= std::min(seen_s_, memory);
  const double avoidable = pretended_.cost() - (often ? 0 : late_cost_);
  const double proof = kConstantProof * outlook_.mean();
  constant_ = constant_need_.cost() * kConstantBias + 0.3 * proof < avoidable;
}

double Predictive::ready_always() const {
  // A short record understates what is to come.
  const double extra = 1 + kYoungExtra * std::exp(-seen_s_ / kYoungSpan);
  const double backends = std::ceil(constant_need_.backends() * extra - 1e-9);
  return std::min(backends, static_cast<double>(options_.max)) * options_.unit;
}

Need Predictive::need(double capacity) const {
  Need need{.cause = Cause::kForecast};
  if (outlook_.steps() == 0) return need;
  const double never = std::numeric_limits<double>::max();
  if (constant_) {
    need.rise = need.set = ready_always();
    // A queue that outlasts a cold start, or will, shows that what stands ready is not enough.
    const double longest =
        std::max(kLongQueue * horizon_s(), kLongWaits * options_.late.slo_wait_s);
    if (waiting_s_ > horizon_s() || queue_ > need.set * longest) {
      need.rise = need.set = std::max(need.set, rate_ + queue_ / kBacklogSpan);
      need.cause = Cause::kBacklog;
    }
    need.floor = seen_s_ < kLearning ? never : std::max(need.set, floors_.peak() * options_.unit);
    return need;
  }
  const auto& cover = outlook_.cover();
  const double backlog = queue_ / kBacklogSpan;
  need.set = cover[1] + backlog;
  need.rise = seen_s_ < kLearning ? need.set : cover[0] + backlog;
  const double floor = floors_.peak() * options_.unit;
  const bool worth_it = floor + kDeadBand * capacity < capacity * (1 - 1e-9);
  need.floor = seen_s_ < kLearning || !worth_it ? never : floor;
  if (backlog > cover[1] - outlook_.expected()) need.cause = Cause::kBacklog;
  return need;
}

void Predictive::configure(const Options& options) {
  const Options before = options_;
  options_ = options;
  // A capacity that is learned moves a little all the time; what is counted in backends need not
  // begin anew for that.
  if (std::abs(options.unit - before.unit) <= kSameUnit * before.unit) options_.unit = before.unit;
  const double step_before = step_s_;
  step_s_ = step_of(options);
  const bool other_load = options.forecaster != before.forecaster ||
                          options.season_s != before.season_s || step_s_ != step_before;
  if (other_load) {
    *this = Predictive(options);
    return;
  }
  outlook_.set_horizon(horizon(), options_.unit);
  if (options_.unit != before.unit) floors_.convert(before.unit / options_.unit);
  if (options_.unit != before.unit || options.max != before.max ||
      options.late.slo_wait_s != before.late.slo_wait_s ||
      options.late.late_cost != before.late.late_cost) {
    constant_need_ = ConstantNeed(options_.unit, std::max(1U, options.max), options.late);
    const double capacity = static_cast<double>(pretended_.backends()) * before.unit;
    pretended_ = PretendPool(options_.unit, options.late);
    pretended_.begin(static_cast<std::size_t>(units(capacity, options_.unit)));
    constant_ = false;
    late_cost_ = episodes_ = 0;
    punctual_s_ = kLongAgo;
  }
}

void Predictive::keep(forecast::Fields& fields, Options& options) {
  constexpr double kLongestSpan = 1e9;
  constexpr std::size_t kMostBackends = 65535;
  const auto whole = [&](std::string_view name, unsigned& value, std::size_t most) {
    std::size_t wide = value;
    fields.whole(name, wide, most);
    value = static_cast<unsigned>(wide);
  };
  auto kind = static_cast<unsigned>(options.forecaster);
  whole("forecaster", kind, static_cast<std::size_t>(config::ForecastKind::kNetwork));
  options.forecaster = static_cast<config::ForecastKind>(kind);
  fields.number("season_s", options.season_s, 0, kLongestSpan);
  fields.number("tick_s", options.tick_s, 1e-3, kLongestSpan);
  fields.number("unit", options.unit, 1e-6, 1e12);
  whole("min", options.min, kMostBackends);
  whole("max", options.max, kMostBackends);
  fields.require(options.max >= std::max(1U, options.min), "max", "is less than min, or none");
  fields.number("cold_start_s", options.cold_start_s, 0, kLongestSpan);
  fields.number("drain_s", options.drain_s, 0, kLongestSpan);
  fields.number("stabilisation_s", options.stabilisation_s, 0, kLongestSpan);
  fields.number("slo_wait_s", options.late.slo_wait_s, 0, kLongestSpan);
  fields.number("late_cost", options.late.late_cost, 0, kLongestSpan);
  fields.number("half_life_s", options.late.half_life_s, 1, kLongestSpan);
}

void Predictive::keep(forecast::Fields& fields, double origin) {
  constexpr double kLongestSpan = 1e12;
  Options kept = options_;
  fields.nested("options", [&](forecast::Fields& nested) { keep(nested, kept); });
  if (kept != options_) *this = Predictive(kept);
  fields.nested("outlook", [&](forecast::Fields& nested) { outlook_.keep(nested); });
  fields.nested("constant", [&](forecast::Fields& nested) { constant_need_.keep(nested); });
  fields.nested("pretended", [&](forecast::Fields& nested) { pretended_.keep(nested, origin); });
  floors_.keep(fields, "floors", origin);
  fields.number("step_arrivals", step_arrivals_, 0, forecast::kMostKept);
  fields.number("step_seconds", step_seconds_, 0, kLongestSpan);
  fields.number("seen_s", seen_s_, 0, kLongestSpan);
  fields.number("queue", queue_, 0, forecast::kMostKept);
  fields.number("waiting_s", waiting_s_, 0, kLongestSpan);
  fields.number("rate", rate_, 0, forecast::kMostKept);
  fields.flag("stands_ready", constant_);
  fields.number("late_cost", late_cost_, 0, forecast::kMostKept);
  fields.number("episodes", episodes_, 0, forecast::kMostKept);
  fields.number("punctual_s", punctual_s_, 0, kLongAgo);
}

}  // namespace sluice::autoscale
