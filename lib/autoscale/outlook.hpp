// SPDX-License-Identifier: Apache-2.0
// What a pool's load will be when a backend asked for now would serve: several forecasters, each
// with a margin made of its own errors, weighed by what they would have cost of late.
//
// Threads: a value of one thread.
#pragma once

#include "autoscale/request_quantile.hpp"
#include "config/autoscale.hpp"
#include "forecast/fields.hpp"
#include "forecast/forecaster.hpp"
#include "forecast/window.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::autoscale {

/// Shares of the requests that a capacity is to cover. Between the first and the last lies the band
/// in which nothing is done.
struct Shares {
  double rise = 0.5;   ///< Less than this is covered: capacity is added ...
  double set = 0.94;   ///< ... until this is.
  double keep = 0.97;  ///< More than this is covered: capacity may go.
};

class Outlook {
 public:
  struct Options {
    config::ForecastKind forecaster = config::ForecastKind::kEnsemble;
    std::size_t season = 0;   ///< Steps; 0: found.
    std::size_t horizon = 5;  ///< Steps ahead that matter, at least 1.
    double unit = 1;          ///< Requests/s of one backend: the grain that errors matter in.
    double step_s = 15;       ///< Seconds of a step.
    Shares shares = {};
  };

  explicit Outlook(const Options& options);

  /// The mean rate of the step that has ended, requests/s: finite, not negative.
  /// Cost: as of the forecasters, and some us for each.
  void observe(double rate);

  /// Another horizon or grain from now on; what was learned stays.
  void set_horizon(std::size_t horizon, double unit);

  [[nodiscard]] std::size_t steps() const noexcept { return steps_; }
  [[nodiscard]] double expected() const noexcept { return expected_; }  ///< Requests/s.
  [[nodiscard]] double low() const noexcept { return low_; }      ///< 5 % of requests are below.
  [[nodiscard]] double high() const noexcept { return high_; }    ///< 5 % are above.
  [[nodiscard]] double error() const noexcept { return error_; }  ///< Mean absolute, requests/s.
  [[nodiscard]] double mean() const noexcept { return mean_; }    ///< Long mean of the load.
  [[nodiscard]] std::string_view forecaster() const noexcept;     ///< That weighs most.
  /// Requests/s that cover the shares, in the order of Shares.
  [[nodiscard]] const std::array<double, 3>& cover() const noexcept { return cover_; }

  void keep(forecast::Fields& fields);

 private:
  struct Member {
    std::unique_ptr<forecast::Forecaster> forecaster;
    bool additive;  ///< Its errors vary with the long mean of the load, not with the forecast.
    RequestQuantile errors;  ///< In scales.
    forecast::Window promised;
    forecast::Window scale;
    forecast::Window asked;  ///< What it would have set.
    double loss = 0;         ///< Of what it asked for, per step.
    double miss = 0;         ///< Mean absolute error.
    std::size_t seen = 0;
    double weight = 0;
    std::array<double, 3> cover{};
    double expected = 0;
    double low = 0;
    double high = 0;

    Member(std::unique_ptr<forecast::Forecaster> f, bool is_additive, std::size_t horizon);
  };

  void learn(Member& member, double rate, double requests) const;
  void promise(Member& member) const;
  [[nodiscard]] double bound(const Member& member, double scale, double share) const;
  [[nodiscard]] double prior(double share) const;
  void weigh();
  void sum_up();

  Options options_;
  std::vector<Member> members_;
  std::size_t steps_ = 0;
  double mean_ = 0;
  double recent_mean_ = 0;  ///< Of the last steps, for the prior.
  double recent_variance_ = 0;
  double expected_ = 0;
  double low_ = 0;
  double high_ = 0;
  double error_ = 0;
  std::array<double, 3> cover_{};
};

}  // namespace sluice::autoscale
