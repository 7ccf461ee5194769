// SPDX-License-Identifier: Apache-2.0
#include "autoscale/controller_state.hpp"

#include "autoscale/reason.hpp"
#include "base/assert.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace sluice::autoscale {
namespace {

constexpr double kRecent = 15;  // s over which the present load is taken
constexpr double kBurst = 2;    // times the capacity there is: bounds on steps do not hold
constexpr double kMostSeconds = 1e12;
constexpr double kMostTime = 1e11;  // s, so that what is between two times can be kept
constexpr std::uint64_t kMostFleet = 1'000'000;

// The class that is added first: the cheapest for what it does.
std::size_t first_class(const Controller::Options& options) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < options.classes.size(); ++i) {
    const auto& a = options.classes[i];
    const auto& b = options.classes[best];
    if (a.price_per_hour * b.capacity < b.price_per_hour * a.capacity) best = i;
  }
  return best;
}

Predictive::Options predictive_of(const Controller::Options& options, const Learned& learned,
                                  double drain_s) {
  const auto& scale = options.autoscale;
  return {.forecaster = scale.forecaster,
          .season_s = scale.season_s,
          .tick_s = scale.tick_s,
          .unit = learned.capacity,
          .min = scale.min,
          .max = std::max(1U, scale.max),
          .cold_start_s = learned.cold_start_s,
          .drain_s = drain_s,
          .stabilisation_s = scale.stabilisation_s,
          .late = {.slo_wait_s = scale.slo_wait_s, .late_cost = scale.late_cost}};
}

std::vector<ClassLearning> learning_of(const std::vector<config::BackendClass>& classes) {
  SLUICE_ASSERT(!classes.empty(), "a controller has a class of backends");
  return {classes.begin(), classes.end()};
}

bool bounded(double value) { return std::isfinite(value) && value >= 0 && value <= kMostRequests; }

}  // namespace

Controller::State::State(Options with)
    : options(std::move(with)),
      learning(learning_of(options.classes)),
      predictive(predictive_of(options, learning[first_class(options)].figures(), options.drain_s)),
      schedule(options.autoscale.schedule) {
  begin();
}

void Controller::State::begin() {
  decision.wanted.assign(options.classes.size(), 0);
  decision.wanted[first_class(options)] = options.autoscale.min;
  decision.desired = options.autoscale.min;
  decision.reason = "nothing was seen yet";
}

std::string Controller::State::refusal(const Observation& seen) const {
  if (!std::isfinite(seen.t) || std::abs(seen.t) > kMostTime) return "its time is absurd";
  if (last_t && seen.t <= *last_t) return "time did not go on";
  if (!bounded(seen.arrivals) || !bounded(seen.served) || !bounded(seen.queue) ||
      !bounded(seen.inflight))
    return "a count is not one";
  if (!(seen.silent >= 0 && seen.silent <= 1)) return "the silent share is none";
  if (seen.fleet.size() > options.classes.size()) return "it has more classes than the pool";
  std::uint64_t backends = 0;
  for (const auto& one : seen.fleet)
    backends += std::uint64_t{one.ready} + one.starting + one.draining + one.asleep;
  if (backends > kMostFleet) return "it has more backends than there can be";
  return {};
}

Present Controller::State::present(const Observation& seen) const {
  Present now{.t = seen.t, .fleet = seen.fleet};
  now.fleet.resize(options.classes.size());
  for (std::size_t i = 0; i < now.fleet.size(); ++i) {
    const auto& figures = learning[i].figures();
    now.learned.push_back(figures);
    now.ready += now.fleet[i].ready * figures.capacity;
    now.capacity += now.of(i) * figures.capacity;
    now.count += now.of(i);
  }
  const auto& scale = options.autoscale;
  const ScheduledBounds bounds = schedule.at(seen.utc);
  now.max = bounds.max > 0 ? std::min(scale.max, bounds.max) : scale.max;
  now.min = std::min(std::max(scale.min, bounds.min), now.max);
  now.scheduled = now.max != scale.max || now.min != scale.min;
  return now;
}

double Controller::State::demand() const {
  double seconds = 0;
  double arrivals = 0;
  for (const auto& [span, count] : recent) {
    seconds += span;
    arrivals += count;
  }
  return seconds > 0 ? arrivals / seconds : 0;
}

void Controller::State::observe(const Observation& seen, const Present& now, double seconds) {
  const bool asks = seen.arrivals > 0 || seen.queue > 0 || seen.inflight > 0;
  // Of a time of which something is not known nobody can say that nobody asked.
  if (asks || !last_t || seen.silent > 0) busy_t = seen.t;
  if (seen.silent >= 1) {  // zeros that are none would teach nothing true
    predictive.hold(seen.t);
    target.hold(seen.t);
    return;
  }
  recent.emplace_back(seconds, seen.arrivals);
  double span = 0;
  for (const auto& [one, count] : recent) span += one;
  while (recent.size() > 1 && span - recent.front().first >= kRecent - 1e-6) {
    span -= recent.front().first;
    recent.pop_front();
  }
  const std::size_t first = first_class(options);
  auto with = predictive_of(options, now.learned[first], drain_s.value_or(options.drain_s));
  // What sleeps is there in seconds.
  if (now.fleet[first].asleep > 0 && options.classes[first].wake_s > 0)
    with.cold_start_s = options.classes[first].wake_s;
  predictive.configure(with);
  predictive.observe(seen.t, seen.arrivals, seconds, seen.queue, now.capacity);
  target.observe(seen.t, demand(), seen.queue, now.learned[first].capacity, now.capacity,
                 options.autoscale);
}

Need Controller::State::need(const Present& now, const Observation& seen) const {
  const double unit = now.learned[first_class(options)].capacity;
  switch (options.autoscale.policy) {
    case config::ScalePolicy::kThreshold:
      return threshold_need(demand(), seen.queue, now.ready, now.capacity - now.ready, unit,
                            options.autoscale);
    case config::ScalePolicy::kTarget:
      return target.need(now.capacity, options.autoscale);
    case config::ScalePolicy::kPredictive:
    case config::ScalePolicy::kCostAware:
      return predictive.need(now.capacity);
    case config::ScalePolicy::kScheduled:
      return {.cause = Cause::kSchedule};
  }
  return {};
}

void Controller::State::decide(const Observation& seen) {
  if (const auto why = refusal(seen); !why.empty()) {
    decision.cause = Cause::kBlind;
    decision.reason = "the last decision stays: an observation was refused, " + why;
    return;
  }
  const bool first = !last_t;
  const double seconds = first ? options.autoscale.tick_s : seen.t - *last_t;
  const Present now = present(seen);
  if (decision.desired == 0 && now.count == 0) since_zero = 0;
  since_zero = std::min(since_zero + seen.arrivals, kMostRequests);
  observe(seen, now, seconds);
  last_t = seen.t;
  if (override_until && seen.t >= *override_until) {
    standing = Standing::kAuto;
    override_until.reset();
  }

  Need asked = need(now, seen);
  const bool blind = seen.silent > 0;
  Settled settled;
  if (standing == Standing::kOverride) {
    settled = settling.set(now, override_count, options.autoscale, options.classes);
  } else if (standing == Standing::kPaused || seen.silent >= 1) {
    // As many as were wanted, within what is allowed: a bound that was lowered holds at once.
    settled =
        settling.set(now, first ? now.count : decision.desired, options.autoscale, options.classes);
    settled.cause = standing == Standing::kPaused ? Cause::kPaused : Cause::kBlind;
    if (blind) settled.limits |= static_cast<std::uint16_t>(Limit::kSilent);
  } else {
    // Two ticks close to one another make no burst of a single request.
    const double load = (seen.arrivals + seen.queue) / std::max(seconds, options.autoscale.tick_s);
    const bool burst = load > kBurst * now.capacity;
    const bool idle = now.min == 0 && seen.t - busy_t >= options.autoscale.idle_s && !blind;
    if (now.min == 0 && !idle) {
      // The last one stays while anybody asks, and comes when somebody does.
      const bool asks = seen.t == busy_t && (seen.arrivals > 0 || seen.queue > 0);
      const bool none = now.count == 0;
      if (none && asks) asked.cause = Cause::kFromZero;
      if (none && !asks) asked.rise = asked.set = 0;
      if (!none || asks) {
        const double one = now.learned[first_class(options)].capacity;
        asked.floor = std::max(asked.floor, one);
        if (none) {
          asked.rise = std::max(asked.rise, one);
          asked.set = std::max(asked.set, one);
        }
      }
    }
    if (now.min == 0) bound_by_requests(asked, now, seen);
    if (idle) asked = {.cause = Cause::kIdle};
    settled = settling.settle(now, asked, options.autoscale, options.classes,
                              drain_s.value_or(options.drain_s), burst, blind);
    if (idle && settled.cause == Cause::kFall) settled.cause = Cause::kIdle;
  }
  explain(now, seen, asked, settled);
}

// A forecast that has seen nothing but silence makes several backends of one request. No request
// takes more than one, so that there need not be more of them than requests since it was silent;
// of a real load these are soon so many that they bound nothing.
void Controller::State::bound_by_requests(Need& asked, const Present& now,
                                          const Observation& seen) const {
  const double requests = std::max({since_zero, seen.queue, seen.inflight, 1.0});
  const double most = std::ceil(requests) * now.learned[first_class(options)].capacity;
  asked.rise = std::min(asked.rise, most);
  asked.set = std::min(asked.set, most);
}

void Controller::State::explain(const Present& now, const Observation& seen, const Need& asked,
                                const Settled& settled) {
  Decision made;
  made.t = seen.t;
  made.wanted = settled.wanted;
  made.desired = std::accumulate(made.wanted.begin(), made.wanted.end(), 0U);
  made.before = now.count;
  made.limits = settled.limits;
  made.cause = settled.cause;
  made.demand = demand();
  made.backlog = seen.queue;
  made.capacity = now.ready;
  const double load = made.demand + seen.queue / std::max(options.autoscale.slo_wait_s, 1e-3);
  // Of no capacity at all any load is too much: a figure that can be drawn stands for infinity.
  made.saturation = load <= 0 ? 0 : std::min(1000.0, load / std::max(now.ready, 1e-9));
  const auto& outlook = predictive.outlook();
  made.horizon_s = predictive.horizon_s();
  made.forecast = outlook.expected();
  made.low = outlook.low();
  made.high = outlook.high();
  made.margin = std::max(0.0, outlook.cover()[1] - outlook.expected());
  made.error = outlook.error();
  made.forecaster = predictive.constant() ? "constant" : std::string(outlook.forecaster());
  made.needed = std::max(asked.rise, asked.set);
  for (std::size_t i = 0; i < made.wanted.size(); ++i) {
    made.provided += made.wanted[i] * now.learned[i].capacity;
    made.cost_per_hour += made.wanted[i] * options.classes[i].price_per_hour +
                          now.fleet[i].asleep * options.classes[i].asleep_price_per_hour;
  }
  made.uncovered = settled.uncovered;
  made.reason = reason_of(made);
  decision = std::move(made);
}

void Controller::State::configure(Options with) {
  std::vector<ClassLearning> kept;
  for (const auto& one : with.classes) {
    const auto before = std::ranges::find(options.classes, one.name, &config::BackendClass::name);
    if (before == options.classes.end()) {
      kept.emplace_back(one);
    } else {
      kept.push_back(learning[static_cast<std::size_t>(before - options.classes.begin())]);
      kept.back().configure(one);
    }
  }
  std::vector<unsigned> wanted(with.classes.size());
  for (std::size_t i = 0; i < with.classes.size(); ++i) {
    const auto before =
        std::ranges::find(options.classes, with.classes[i].name, &config::BackendClass::name);
    if (before != options.classes.end())
      wanted[i] = decision.wanted[static_cast<std::size_t>(before - options.classes.begin())];
  }
  SLUICE_ASSERT(!with.classes.empty(), "a controller has a class of backends");
  options = std::move(with);
  learning = std::move(kept);
  decision.wanted = std::move(wanted);
  sum_wanted();
  if (!last_t) begin();
  schedule = Schedule(options.autoscale.schedule);
  settling.forget_classes();
  predictive.configure(predictive_of(options, learning[first_class(options)].figures(),
                                     drain_s.value_or(options.drain_s)));
}

void Controller::State::sum_wanted() {
  decision.desired = std::accumulate(decision.wanted.begin(), decision.wanted.end(), 0U);
}

void Controller::State::keep_class(forecast::Fields& fields, std::size_t index) {
  learning[index].keep(fields);
  std::size_t wanted = decision.wanted[index];
  fields.whole("wanted", wanted, kMostFleet);
  decision.wanted[index] = static_cast<unsigned>(wanted);
}

void Controller::State::keep(forecast::Fields& fields, double origin, std::size_t classes) {
  fields.nested("predictive", [&](auto& nested) { predictive.keep(nested, origin); });
  fields.nested("target", [&](auto& nested) { target.keep(nested, origin); });
  fields.nested("settling", [&](auto& nested) { settling.keep(nested, origin, classes); });
  auto how = static_cast<std::size_t>(standing);
  fields.whole("standing", how, static_cast<std::size_t>(Standing::kPaused));
  standing = static_cast<Standing>(how);
  std::size_t count = override_count;
  fields.whole("override", count, 1'000'000'000);
  override_count = static_cast<unsigned>(count);
  const auto optional = [&](std::string_view name, std::optional<double>& value, double shift,
                            double least, double most) {
    std::vector<double> one;
    if (value) one.push_back(*value - shift);
    fields.numbers(name, one, 0, 1, least, most);
    value = one.empty() ? std::nullopt : std::optional(one.front() + shift);
  };
  optional("override_until_s", override_until, origin, -kMostSeconds, kMostSeconds);
  optional("drain_s", drain_s, 0, 0, kMostDrain);
  optional("last_s", last_t, origin, -kMostSeconds, kMostSeconds);
  double busy = busy_t - origin;
  fields.number("busy_s", busy, -kMostSeconds, kMostSeconds);
  busy_t = busy + origin;
  fields.number("since_zero", since_zero, 0, kMostRequests);
  std::vector<double> spans;
  std::vector<double> counts;
  for (const auto& [span, arrivals] : recent) {
    spans.push_back(span);
    counts.push_back(arrivals);
  }
  fields.numbers("recent_s", spans, 0, 1'000'000, 0, kMostSeconds);
  fields.numbers("recent", counts, spans.size(), spans.size(), 0, kMostRequests);
  recent.clear();
  for (std::size_t i = 0; i < spans.size(); ++i) recent.emplace_back(spans[i], counts[i]);
  double made = decision.t - origin;
  fields.number("decided_s", made, -kMostSeconds, kMostSeconds);
  decision.t = made + origin;
}

}  // namespace sluice::autoscale
