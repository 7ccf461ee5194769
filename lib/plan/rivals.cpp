// SPDX-License-Identifier: Apache-2.0
// Autoscalers that people run: HPA, KPA, KEDA. Their defaults, by their own sources.
#include "plan/rivals.hpp"

#include "plan/oracle.hpp"
#include "plan/rivals_formula.hpp"
#include "plan/rounding.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <optional>

namespace sluice::plan {
namespace {

constexpr std::int64_t kStabilisation = 300;  // seconds, of HPA on the way down

// HorizontalPodAutoscaler: every 15 s, tolerance 0.1, the highest recommendation of 300 s on the
// way down, 100 % or 4 replicas at once on the way up.
class Hpa : public Scaler {
 public:
  Hpa(const PoolModel& pool, bool on_queue)
      : capacity_(pool.classes.front().capacity),
        service_time_(pool.classes.front().service_time_s),
        target_(pool.target > 0 ? pool.target : 0.8),
        min_(pool.min),
        max_(pool.max),
        on_queue_(on_queue) {}

  [[nodiscard]] std::uint32_t tick_s() const noexcept override { return 15; }

  void want(const View& view, std::span<std::int64_t> wanted) override {
    const std::int64_t now = view.ready + view.starting;
    auto count = on_queue_ ? by_queue(metric(view), now) : by_utilisation(view, now);
    count = std::min(std::max(count, min_), max_);
    recommended_.add(view.t, count);
    if (count < now)
      count = std::min(now, recommended_.highest());
    else if (count > now)
      count = std::min(count, std::max(2 * now, now + 4));
    wanted.front() = count;
  }

 protected:
  [[nodiscard]] virtual double metric(const View& view) { return View::mean(view.concurrency, 15); }

  // An external metric with AverageValue: the tolerance is on the ratio to what is wanted now.
  [[nodiscard]] std::int64_t by_queue(double total, std::int64_t now) const {
    const double each = target_ * capacity_ * service_time_;
    if (now > 0 && std::abs(1 - total / (each * static_cast<double>(now))) <= kTolerance)
      return now;
    return ceil_count(total / each);
  }

 private:
  static constexpr double kTolerance = 0.1;

  // Ready backends alone; then, on a scale-up, those that are not ready count as idle.
  [[nodiscard]] std::int64_t by_utilisation(const View& view, std::int64_t now) const {
    const double there = View::mean(view.capacity, 15);
    const double used = there > 0 ? View::mean(view.served, 15) / there : 0.0;
    const double ratio = used / target_;
    if (view.starting != 0 && ratio > 1) {
      const double with_all = ratio * view.ready / static_cast<double>(now);
      if (with_all < 1 || std::abs(1 - with_all) <= kTolerance) return now;
      return std::max(now, ceil_count(with_all * static_cast<double>(now)));
    }
    return std::abs(1 - ratio) <= kTolerance ? now : ceil_count(ratio * view.ready);
  }

  double capacity_;
  double service_time_;
  double target_;
  std::int64_t min_;
  std::int64_t max_;
  bool on_queue_;
  HighestRecent recommended_{kStabilisation};
};

// As KEDA runs an HPA: the metric is what the last poll told; with `min` 0 it starts the first
// backend itself, at a poll that finds something, and stops the last one after a cool-down.
class Keda final : public Hpa {
 public:
  explicit Keda(const PoolModel& pool) : Hpa(pool, true), min_(pool.min) {}

  void want(const View& view, std::span<std::int64_t> wanted) override {
    if (view.t % kPoll == 0) {
      polled_ = View::mean(view.concurrency, 15);
      if (polled_ > 0) active_ = view.t;
    }
    if (min_ != 0) return Hpa::want(view, wanted);
    if (view.ready + view.starting == 0) {
      wanted.front() = polled_ > 0 ? 1 : 0;
      return;
    }
    Hpa::want(view, wanted);
    const bool idle = view.t - active_ >= kCooldown;
    wanted.front() = idle ? 0 : std::max<std::int64_t>(1, wanted.front());
  }

 protected:
  [[nodiscard]] double metric(const View& /*view*/) override { return polled_; }

 private:
  static constexpr std::int64_t kPoll = 30;  // seconds
  static constexpr std::int64_t kCooldown = 300;
  std::int64_t min_;
  double polled_ = 0;
  std::int64_t active_ = 0;
};

// Knative's autoscaler: every 2 s, concurrency over a stable and a panic window.
class Kpa final : public Scaler {
 public:
  explicit Kpa(const PoolModel& pool)
      : target_((pool.target > 0 ? pool.target : 0.7) * pool.classes.front().capacity *
                pool.classes.front().service_time_s) {}

  [[nodiscard]] std::uint32_t tick_s() const noexcept override { return 2; }

  void want(const View& view, std::span<std::int64_t> wanted) override {
    if (first_ && view.ready > 1) enter_panic(view.t, view.ready);
    first_ = false;
    const std::int64_t ready = std::max<std::int64_t>(1, view.ready);
    const std::int64_t most = ready * 1000;
    const std::int64_t least = ready / 2;
    const auto stable = by_concurrency(View::mean(view.concurrency, kStable));
    const auto burst = by_concurrency(View::mean(view.concurrency, kPanic));
    const auto by_stable = std::min(std::max(stable, least), most);
    const auto by_burst = std::min(std::max(burst, least), most);
    if (static_cast<double>(burst) / static_cast<double>(ready) >= kThreshold) {
      panic_since_ = view.t;
    } else if (panic_since_ && *panic_since_ + std::int64_t{kStable} < view.t) {
      panic_since_.reset();
      highest_ = 0;
    }
    wanted.front() = by_stable;
    if (panic_since_) {
      highest_ = std::max({by_stable, by_burst, highest_});
      wanted.front() = highest_;
    }
  }

 private:
  static constexpr std::size_t kStable = 60;  // seconds
  static constexpr std::size_t kPanic = 6;
  static constexpr double kThreshold = 2.0;

  void enter_panic(std::int64_t t, std::int64_t count) {
    panic_since_ = t;
    highest_ = count;
  }

  [[nodiscard]] std::int64_t by_concurrency(double mean) const {
    return ceil_count(mean / target_ - 1e-12);
  }

  double target_;
  bool first_ = true;
  std::optional<std::int64_t> panic_since_;
  std::int64_t highest_ = 0;  // of a panic, which never goes down
};

constexpr std::array kRivals{Rival::kStatic,   Rival::kOracle,     Rival::kHpa,
                             Rival::kHpaQueue, Rival::kKpa,        Rival::kKeda,
                             Rival::kReactive, Rival::kForecastLr, Rival::kHoltWinters};

}  // namespace

std::string_view name_of(Rival rival) noexcept {
  switch (rival) {
    case Rival::kHpa:
      return "hpa";
    case Rival::kHpaQueue:
      return "hpa-queue";
    case Rival::kKpa:
      return "kpa";
    case Rival::kKeda:
      return "keda";
    case Rival::kReactive:
      return "reactive";
    case Rival::kForecastLr:
      return "forecast-lr";
    case Rival::kHoltWinters:
      return "holt-winters";
    case Rival::kStatic:
      return "static";
    case Rival::kOracle:
      return "oracle";
  }
  return "";
}

std::span<const Rival> rivals() noexcept { return kRivals; }

std::unique_ptr<Scaler> make_scaler(Rival rival, const PoolModel& pool) {
  switch (rival) {
    case Rival::kHpa:
      return std::make_unique<Hpa>(pool, false);
    case Rival::kHpaQueue:
      return std::make_unique<Hpa>(pool, true);
    case Rival::kKpa:
      return std::make_unique<Kpa>(pool);
    case Rival::kKeda:
      return std::make_unique<Keda>(pool);
    case Rival::kReactive:
      return make_reactive(pool);
    case Rival::kForecastLr:
      return make_line(pool);
    case Rival::kHoltWinters:
      return make_daily_season(pool);
    case Rival::kStatic:
    case Rival::kOracle:
      break;
  }
  return nullptr;
}

Course run_rival(Rival rival, const Arrivals& arrivals, const PoolModel& pool,
                 std::span<const std::uint32_t> need, const Progress& progress) {
  const auto one = pool.of_first_class();
  if (const auto scaler = make_scaler(rival, one))
    return simulate(arrivals, one, *scaler, progress);
  if (rival == Rival::kStatic) {
    std::vector<std::uint32_t> peak(need.size(), *std::ranges::max_element(need));
    auto billed = peak;
    return follow(arrivals, one, std::move(peak), std::move(billed));
  }
  const auto cold = one.classes.front().cold_start_s;
  auto schedule = cheapest_schedule(need, cold, cold + one.drain_s);
  auto course = follow(arrivals, one, std::move(schedule.ready), std::move(schedule.billed));
  course.actions.resize(schedule.actions);  // moments alone: which way is not counted
  return course;
}

}  // namespace sluice::plan
