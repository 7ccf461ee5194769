// SPDX-License-Identifier: Apache-2.0
// A small neural network that learns as the load goes on: one hidden layer over the last values,
// scaled by their own mean and spread, and a direct forecast of the horizon.
//
// Threads: a value of one thread.
#pragma once

#include "forecast/fields.hpp"
#include "forecast/forecaster.hpp"
#include "forecast/window.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice::forecast {

/// Each step it learns from one example, whose truth has just come: the values up to `horizon`
/// steps ago, and the value now (Adam, bounded errors). It begins as the mean of the last values;
/// between now and the horizon it goes straight, beyond it stays.
/// Source: Kingma, Ba, "Adam", ICLR 2015. The activation is x / (1 + |x|), which is the same on
/// every machine, as tanh is not.
class Network final : public Forecaster {
 public:
  static constexpr std::size_t kLags = 8;      ///< Single values at the input.
  static constexpr std::size_t kInputs = 13;   ///< With means of longer stretches and 1.
  static constexpr std::size_t kHidden = 12;   ///< Units.
  static constexpr std::size_t kHistory = 64;  ///< Values that an input looks at.
  static constexpr std::size_t kWeights = kHidden * kInputs + kHidden + kInputs;

  Network(std::size_t horizon, std::uint64_t seed);

  [[nodiscard]] std::string_view name() const noexcept override { return "network"; }

 private:
  using Inputs = std::array<double, kInputs>;
  /// What the network sees of the values up to one, and how its answer becomes a load again.
  struct View {
    Inputs inputs;
    double middle;
    double spread;
  };

  void step(double value) override;
  [[nodiscard]] double expect(std::size_t ahead) const override;
  void horizon_changed() override;
  void fields(Fields& kept) override;

  /// Of the values up to `age` steps before the newest.
  [[nodiscard]] View view(std::size_t age) const;
  [[nodiscard]] double answer(const Inputs& inputs) const;
  void learn(const Inputs& inputs, double target);

  Window values_;
  std::vector<double> weights_;  ///< Hidden by input, output by hidden, output by input.
  std::vector<double> first_;    ///< Adam's mean of gradients, by weight.
  std::vector<double> second_;   ///< Likewise of their squares.
  double first_left_ = 1;        ///< Its decay to the power of the examples so far.
  double second_left_ = 1;
};

}  // namespace sluice::forecast
