// SPDX-License-Identifier: Apache-2.0
// Holt-Winters: level, damped trend and additive season, each smoothed exponentially.
//
// Threads: a value of one thread.
#pragma once

#include "forecast/fields.hpp"
#include "forecast/forecaster.hpp"
#include "forecast/record.hpp"
#include "forecast/season.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace sluice::forecast {

/// How fast each part follows, 0 (never) to 1 (at once).
struct Smoothing {
  double level;
  double trend;
  double season;   ///< At one pass through the season.
  double damping;  ///< Of the trend per step; 1: it goes on for ever.
};

/// Several sets of parameters run side by side, and the one that was best of late at the horizon
/// speaks. A season of more than kSlots steps has as many slots, each for several steps.
///
/// A season that is given takes effect after it has been seen once. One that is to be found takes
/// effect as soon as the history shows it (see SeasonFinder), and goes when it no longer does.
/// Source: Hyndman, Athanasopoulos, "Forecasting: principles and practice", section 8.3.
class HoltWinters final : public Forecaster {
 public:
  static constexpr std::size_t kSlots = 288;
  static constexpr std::size_t kMemory = 240;  ///< Errors that choose among the parameters.
  static const std::vector<Smoothing> kChoices;

  /// @param season   steps, at most kLongestSeason; 0: it is found; 1: there is none.
  /// @param choices  at least one.
  explicit HoltWinters(std::size_t season = 0, std::size_t horizon = 5,
                       std::vector<Smoothing> choices = kChoices);

  [[nodiscard]] std::string_view name() const noexcept override { return "holt_winters"; }
  [[nodiscard]] std::size_t season() const noexcept { return season_; }  ///< Now; 0: none.

 private:
  /// Level, trend and season under one set of parameters.
  struct Model {
    Smoothing with;
    Record record;
    double level = 0;
    double trend = 0;
    std::vector<double> slots = {};  ///< Offsets; none while there is no season.

    void step(double value, std::size_t slot, double steps_per_slot);
    [[nodiscard]] double expect(std::size_t ahead, std::size_t slot) const;
  };

  void step(double value) override;
  [[nodiscard]] double expect(std::size_t ahead) const override;
  void horizon_changed() override;
  void fields(Fields& kept) override;

  void learn_first_season(double value);
  void look_for_season();
  void set_season(std::size_t season, std::span<const double> profile);
  [[nodiscard]] std::size_t slot_at(std::size_t step) const noexcept;
  [[nodiscard]] const Model& best() const;

  std::size_t given_;
  SeasonFinder finder_;        ///< Unused where the season is given.
  std::vector<double> first_;  ///< Sums by slot of the first pass through a given season.
  std::size_t season_ = 0;
  std::size_t slots_ = 0;
  std::size_t steps_ = 0;  ///< Observed.
  std::vector<Model> models_;
};

}  // namespace sluice::forecast
