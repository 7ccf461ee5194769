// SPDX-License-Identifier: Apache-2.0
#include "autoscale/settle.hpp"

#include "autoscale/tuning.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sluice::autoscale {
namespace {

constexpr double kPatience = 300;  // s for which another mix must be cheaper, at least
constexpr double kPayback = 3600;  // s in which changing to it must have paid
constexpr double kGiveUp = 3;      // cold starts after which a replacement has failed
constexpr double kMostAge = 1e9;   // s; what is older is as good as that

constexpr std::uint16_t bit(Limit limit) { return static_cast<std::uint16_t>(limit); }

unsigned sum(std::span<const unsigned> counts) {
  return std::accumulate(counts.begin(), counts.end(), 0U);
}

std::vector<unsigned> counts_of(const Present& present) {
  std::vector<unsigned> counts;
  for (std::size_t i = 0; i < present.fleet.size(); ++i) counts.push_back(present.of(i));
  return counts;
}

double price_of(std::span<const unsigned> counts, std::span<const config::BackendClass> classes) {
  double price = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) price += counts[i] * classes[i].price_per_hour;
  return price;
}

bool too_dear(std::span<const unsigned> counts, const config::Autoscale& options,
              std::span<const config::BackendClass> classes) {
  return options.budget_per_hour > 0 &&
         price_of(counts, classes) > options.budget_per_hour * (1 + 1e-9);
}

}  // namespace

// direction: 1 adds only, -1 takes away only, 0 does either.
Mix Settling::mix(const Present& present, const config::Autoscale& options,
                  std::span<const config::BackendClass> classes, double capacity, unsigned least,
                  unsigned most, int direction) const {
  std::vector<MixClass> available;
  unsigned floor = 0;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const unsigned now = present.of(i);
    MixClass c{.capacity = present.learned[i].capacity,
               .price = classes[i].price_per_hour,
               .least = std::min(classes[i].min, most),
               .most = classes[i].max > 0 ? std::min(classes[i].max, most) : most,
               .present = now,
               .domain = classes[i].domain};
    if (direction > 0) c.least = std::max(c.least, std::min(now, c.most));
    if (direction < 0) c.most = std::max(c.least, std::min(now, c.most));
    floor += c.least;
    available.push_back(c);
  }
  return cheapest_mix(available, {.capacity = capacity,
                                  .least = least,
                                  .most = std::max(most, floor),
                                  .budget = options.budget_per_hour,
                                  .domain_share = options.max_domain_share});
}

bool Settling::may_fall(const Present& present, const config::Autoscale& options,
                        double cold_start_s, double drain_s, std::uint16_t& limits) const {
  const double hold = options.hold_s > 0 ? options.hold_s : cold_start_s + drain_s;
  if (raised_ && present.t - *raised_ < hold) limits |= bit(Limit::kHoldTime);
  if (lowered_ && present.t - *lowered_ < options.cooldown_s) limits |= bit(Limit::kCooldown);
  return (limits & (bit(Limit::kHoldTime) | bit(Limit::kCooldown))) == 0;
}

Settled Settling::settle(const Present& present, const Need& need, const config::Autoscale& options,
                         std::span<const config::BackendClass> classes, double drain_s, bool burst,
                         bool blind) {
  Settled settled{.wanted = counts_of(present)};
  // Who has just begun knows as little of the past as one who has just added.
  if (!raised_) raised_ = present.t;
  double cold_start_s = 0;
  for (const auto& learned : present.learned)
    cold_start_s = std::max(cold_start_s, learned.cold_start_s);

  const bool rises = need.rise > present.capacity * (1 + 1e-9);
  if (rises) {
    Mix more =
        mix(present, options, classes, std::max(need.set, need.rise), present.min, present.max, 1);
    unsigned added = sum(more.counts) - std::min(present.count, sum(more.counts));
    if (options.step_up > 0 && added > options.step_up && !burst && present.count > 0) {
      const unsigned most = present.count + options.step_up;
      more = mix(present, options, classes, need.set, std::min(present.min, most), most, 1);
      settled.limits |= bit(Limit::kStep);
    }
    settled.wanted = more.counts;
    settled.cause = burst && present.count > 0 ? Cause::kBurst : need.cause;
    settled.limits |= more.limits;
    settled.uncovered = more.uncovered;
    target_.clear();
  } else if (need.floor < present.capacity && present.count > 0) {
    Mix less = mix(present, options, classes, need.floor, present.min, present.max, -1);
    const unsigned gone = present.count - std::min(present.count, sum(less.counts));
    // What leaves the floor open is no fall of the need but a bound: those come below.
    if (gone > 0 && less.uncovered == 0) {
      if (blind) {
        settled.limits |= bit(Limit::kSilent);
      } else if (may_fall(present, options, cold_start_s, drain_s, settled.limits)) {
        if (options.step_down > 0 && gone > options.step_down) {
          const unsigned least = present.count - options.step_down;
          less = mix(present, options, classes, need.floor, std::max(least, present.min),
                     present.max, -1);
          settled.limits |= bit(Limit::kStep);
        }
        settled.wanted = less.counts;
        settled.cause = need.cause == Cause::kThreshold ? need.cause : Cause::kFall;
      }
    } else if (present.count <= present.min) {
      settled.limits |= bit(Limit::kMin);
    }
  }
  if (!rises && need.rise > present.ready) settled.limits |= bit(Limit::kStarting);

  if (options.policy == config::ScalePolicy::kCostAware && !rises && !blind)
    replace(present, need, options, classes, drain_s, settled);

  // The bounds hold whatever the need: a reload or a schedule may have moved them.
  const unsigned total = sum(settled.wanted);
  const bool dear = total > present.min && too_dear(settled.wanted, options, classes);
  if (total < present.min) {
    settled.wanted =
        mix(present, options, classes, present.capacity, present.min, present.max, 1).counts;
    settled.cause = present.scheduled ? Cause::kSchedule : Cause::kLoad;
    settled.limits |= bit(present.scheduled ? Limit::kSchedule : Limit::kMin);
  } else if (total > present.max || dear) {
    // As much as there is of what should stay.
    const double kept = std::max(need.set, std::min(need.floor, present.capacity));
    const Mix less = mix(present, options, classes, kept, present.min, present.max, -1);
    settled.wanted = less.counts;
    settled.limits |= less.limits;
    if (need.rise > less.capacity * (1 + 1e-9))
      settled.uncovered = std::max(need.set, need.rise) - less.capacity;
    target_.clear();
    settled.cause = present.scheduled ? Cause::kSchedule : Cause::kFall;
    settled.limits |=
        bit(dear ? Limit::kBudget : (present.scheduled ? Limit::kSchedule : Limit::kMax));
  }

  const unsigned now = sum(settled.wanted);
  if (now > present.count) raised_ = present.t;
  if (now < present.count) lowered_ = present.t;
  return settled;
}

// Another mix takes the place of the present one when it is cheaper by more than the tolerance, for
// long enough, and has soon paid for its starts. What is new comes first; what is old goes when the
// new is ready.
void Settling::replace(const Present& present, const Need& need, const config::Autoscale& options,
                       std::span<const config::BackendClass> classes, double drain_s,
                       Settled& settled) {
  double cold_start_s = 0;
  if (target_.empty()) {
    const Mix free =
        mix(present, options, classes, std::max(need.set, need.rise), present.min, present.max, 0);
    const double now = price_of(settled.wanted, classes);
    const double then = price_of(free.counts, classes);
    double change = 0;  // what starting and stopping costs
    bool adds = false;
    for (std::size_t i = 0; i < classes.size(); ++i) {
      const unsigned had = settled.wanted[i];
      const double hourly = classes[i].price_per_hour / 3600;
      if (free.counts[i] > had) {
        change += (free.counts[i] - had) * hourly * present.learned[i].cold_start_s;
        adds = true;
      } else {
        change += (had - free.counts[i]) * hourly * drain_s;
      }
    }
    const bool pays = adds && free.uncovered == 0 && then < now * (1 - options.tolerance) &&
                      (now - then) / 3600 * kPayback > change;
    if (!pays) {
      cheaper_.reset();
      return;
    }
    if (!cheaper_) cheaper_ = present.t;
    if (present.t - *cheaper_ < std::max(kPatience, options.stabilisation_s)) return;
    target_ = free.counts;
    target_since_ = present.t;
    cheaper_.reset();
  }
  bool ready = true;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    ready &= present.fleet[i].ready >= target_[i];
    cold_start_s = std::max(cold_start_s, present.learned[i].cold_start_s);
  }
  const bool late = present.t - target_since_ > std::max(60.0, kGiveUp * cold_start_s);
  settled.wanted = counts_of(present);
  settled.cause = Cause::kCost;
  if (ready) {
    settled.wanted = target_;
    target_.clear();
  } else if (late) {
    target_.clear();
    settled.cause = Cause::kHold;
  } else {
    for (std::size_t i = 0; i < classes.size(); ++i)
      settled.wanted[i] = std::max(settled.wanted[i], target_[i]);
    const bool dear = too_dear(settled.wanted, options, classes);
    if (dear || sum(settled.wanted) > present.max) {  // no room for both at once
      target_.clear();
      settled.wanted = counts_of(present);
      settled.cause = Cause::kHold;
      settled.limits |= bit(dear ? Limit::kBudget : Limit::kMax);
    }
  }
}

Settled Settling::set(const Present& present, unsigned count, const config::Autoscale& options,
                      std::span<const config::BackendClass> classes) const {
  Settled settled{.cause = Cause::kOverride};
  const unsigned wanted = std::clamp(count, present.min, present.max);
  if (wanted > count) settled.limits |= bit(Limit::kMin);
  if (wanted < count) settled.limits |= bit(Limit::kMax);
  // A budget that was lowered binds what is there already.
  const bool dear = too_dear(counts_of(present), options, classes);
  const int direction = wanted >= present.count && !dear ? 1 : -1;
  Mix mixed = mix(present, options, classes, 0, wanted, wanted, direction);
  if (too_dear(mixed.counts, options, classes)) {
    mixed = mix(present, options, classes, mixed.capacity, present.min, wanted, direction);
    settled.limits |= bit(Limit::kBudget);
  }
  settled.wanted = mixed.counts;
  return settled;
}

void Settling::forget_classes() noexcept {
  target_.clear();
  cheaper_.reset();
}

void Settling::keep(forecast::Fields& fields, double origin, std::size_t classes) {
  const auto time = [&](std::string_view name, std::optional<double>& value) {
    std::vector<double> age;
    if (value) age.push_back(std::clamp(origin - *value, 0.0, kMostAge));
    fields.numbers(name, age, 0, 1, 0, kMostAge);
    value = age.empty() ? std::nullopt : std::optional(origin - age.front());
  };
  time("raised_s", raised_);
  time("lowered_s", lowered_);
  time("cheaper_s", cheaper_);
  std::vector<double> target(target_.begin(), target_.end());
  fields.numbers("target", target, 0, classes, 0, kMostBackends);
  fields.require(target.empty() || target.size() == classes, "target", "is of other classes");
  target_.clear();
  for (const double count : target) target_.push_back(static_cast<unsigned>(count));
  double age = target_.empty() ? 0 : std::clamp(origin - target_since_, 0.0, kMostAge);
  fields.number("target_s", age, 0, kMostAge);
  target_since_ = origin - age;
}

}  // namespace sluice::autoscale
