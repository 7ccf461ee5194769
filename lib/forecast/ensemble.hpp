// SPDX-License-Identifier: Apache-2.0
// All forecasters side by side, each with the weight that its recent errors at the horizon give it.
//
// Threads: a value of one thread.
#pragma once

#include "forecast/fields.hpp"
#include "forecast/forecaster.hpp"
#include "forecast/record.hpp"
#include "forecast/window.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace sluice::forecast {

/// A member's weight is the power kSharpness of how much less it was off than the best of late. A
/// member that expects far more than was ever seen, and than any line through what was seen of late
/// comes to, has none at once, before its promise is broken.
class Ensemble final : public Forecaster {
 public:
  static constexpr std::size_t kMemory = 480;  ///< Errors that weigh: two hours at 15 s.
  static constexpr std::size_t kSharpness = 20;
  static constexpr std::size_t kSeen = 60;  ///< Values that count as "of late", and the horizon.

  /// With one of each other kind.
  explicit Ensemble(const Options& options = {});
  /// @param members  at least one; their horizons become this one.
  Ensemble(std::vector<std::unique_ptr<Forecaster>> members, std::size_t horizon);

  [[nodiscard]] std::string_view name() const noexcept override { return "ensemble"; }
  [[nodiscard]] std::string_view leader() const noexcept override;

  struct Share {
    std::string_view name;
    double weight;  ///< Of all: they add up to 1.
    double error;   ///< Mean absolute, at the horizon.
  };
  [[nodiscard]] std::vector<Share> shares() const;

 private:
  struct Member {
    std::unique_ptr<Forecaster> forecaster;
    Record record;
    double promise = 0;  ///< At the horizon, made at the last step.
  };

  void step(double value) override;
  [[nodiscard]] double expect(std::size_t ahead) const override;
  void horizon_changed() override;
  void fields(Fields& kept) override;

  /// Up to here a forecast is one, beyond it an explosion.
  [[nodiscard]] double reach(std::size_t ahead) const;
  void weigh();

  std::vector<Member> members_;
  Window seen_;
  double peak_ = 0;              ///< Greatest value; it fades over some 8192 steps.
  std::vector<double> weights_;  ///< By member, since the last step; they follow from the rest.
};

}  // namespace sluice::forecast
