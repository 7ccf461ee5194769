// SPDX-License-Identifier: Apache-2.0
#include "plan/rivals_formula.hpp"

#include "plan/rounding.hpp"

#include <array>
#include <cmath>
#include <optional>

namespace sluice::plan {
namespace {

constexpr std::uint32_t kTick = 15;                  // seconds, and window of the present rate
constexpr std::int64_t kFormulaStabilisation = 300;  // seconds on the way down

// S = S0 + k L.
class Reactive : public Scaler {
 public:
  explicit Reactive(const PoolModel& pool)
      : min_(pool.min),
        cold_start_(pool.classes.front().cold_start_s),
        k_(1.0 / ((pool.target > 0 ? pool.target : 0.8) * pool.classes.front().capacity)) {}

  [[nodiscard]] std::uint32_t tick_s() const noexcept override { return kTick; }

  void want(const View& view, std::span<std::int64_t> wanted) override {
    wanted.front() = ceil_count(min_ + k_ * View::mean(view.arrivals, kTick) - 1e-9);
  }

 protected:
  [[nodiscard]] double cold_start() const noexcept { return cold_start_; }

  [[nodiscard]] std::int64_t stable(std::int64_t t, double load) {
    recommended_.add(t, ceil_count(min_ + k_ * load));
    return recommended_.highest();
  }

 private:
  double min_;
  double cold_start_;
  double k_;
  HighestRecent recommended_{kFormulaStabilisation};
};

// A least-squares line through ten minutes of rates, read where a backend asked for now serves.
class Line final : public Reactive {
 public:
  using Reactive::Reactive;

  void want(const View& view, std::span<std::int64_t> wanted) override {
    rates_.push_back(View::mean(view.arrivals, kTick));
    if (rates_.size() > kRates) rates_.pop_front();
    wanted.front() = stable(view.t, std::max({forecast(), rates_.back(), 0.0}));
  }

 private:
  static constexpr std::size_t kRates = 40;

  [[nodiscard]] double forecast() const {
    if (rates_.size() < 3) return rates_.back();
    const auto n = static_cast<double>(rates_.size());
    const double middle = (n - 1) / 2.0;
    double sum = 0;
    for (const double rate : rates_) sum += rate;
    const double mean = sum / n;
    double product = 0;
    double i = 0;
    for (const double rate : rates_) product += (i++ - middle) * (rate - mean);
    const double rise = product / (n * (n * n - 1) / 12.0);
    return mean + rise * (n - 1 + (cold_start() + kTick) / 15.0 - middle);
  }

  std::deque<double> rates_;
};

// Additive Holt-Winters over rates of a minute, with a season of a day and a damped trend: the
// largest value from now until two minutes after the cold start.
class DailySeason final : public Reactive {
 public:
  using Reactive::Reactive;

  void want(const View& view, std::span<std::int64_t> wanted) override {
    if (view.t % kMinute == 0) observe(View::mean(view.arrivals, kMinute));
    const double now = View::mean(view.arrivals, kTick);
    wanted.front() = stable(view.t, seen_ >= kSeason ? std::max(now, forecast()) : now);
  }

 private:
  static constexpr std::int64_t kMinute = 60;
  static constexpr std::size_t kSeason = 1440;
  static constexpr double kLevel = 0.3;
  static constexpr double kTrend = 0.02;
  static constexpr double kSeasonal = 0.3;
  static constexpr double kDamping = 0.9;

  void observe(double rate) {
    const std::size_t i = seen_ % kSeason;
    if (!level_) level_ = rate;
    const bool whole_day = seen_ >= kSeason;
    const double season = whole_day ? season_[i] : 0.0;
    const double before = *level_;
    level_ = kLevel * (rate - season) + (1 - kLevel) * (before + kDamping * trend_);
    trend_ = kTrend * (*level_ - before) + (1 - kTrend) * kDamping * trend_;
    // The first day's raw rates are kept; then their mean is taken off once.
    season_[i] = whole_day ? kSeasonal * (rate - *level_) + (1 - kSeasonal) * season : rate;
    if (++seen_ == kSeason) centre(rate, i);
  }

  void centre(double rate, std::size_t i) {
    double sum = 0;
    for (const double value : season_) sum += value;
    const double mean = sum / static_cast<double>(kSeason);
    for (double& value : season_) value -= mean;
    level_ = rate - season_[i];
    trend_ = 0.0;
  }

  [[nodiscard]] double forecast() const {
    double step = trend_;
    double rise = 0.0;
    double most = 0.0;
    const auto minutes = static_cast<std::size_t>(std::ceil((cold_start() + 120) / 60.0));
    for (std::size_t ahead = 1; ahead <= minutes; ++ahead) {
      rise += step;
      step *= kDamping;
      most = std::max(most, *level_ + rise + season_[(seen_ - 1 + ahead) % kSeason]);
    }
    return most;
  }

  std::optional<double> level_;
  double trend_ = 0.0;
  std::size_t seen_ = 0;  // minutes
  std::array<double, kSeason> season_{};
};

}  // namespace

std::unique_ptr<Scaler> make_reactive(const PoolModel& pool) {
  return std::make_unique<Reactive>(pool);
}

std::unique_ptr<Scaler> make_line(const PoolModel& pool) { return std::make_unique<Line>(pool); }

std::unique_ptr<Scaler> make_daily_season(const PoolModel& pool) {
  return std::make_unique<DailySeason>(pool);
}

}  // namespace sluice::plan
