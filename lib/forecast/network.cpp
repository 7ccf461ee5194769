// SPDX-License-Identifier: Apache-2.0
#include "forecast/network.hpp"

#include "forecast/dice.hpp"

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>

namespace sluice::forecast {
namespace {

constexpr double kRate = 0.002;
constexpr double kFirstDecay = 0.9;
constexpr double kSecondDecay = 0.999;
constexpr double kMostInput = 6;  // spreads from the middle: beyond it, more makes no difference
constexpr double kMostTarget = 6;
constexpr double kMostError = 1;  // a greater one pulls no harder
constexpr double kMostWeight = 20;
constexpr double kLeastSpread = 0.01;  // of the mean
constexpr double kTiny = 1e-12;

constexpr int kIn = static_cast<int>(Network::kInputs);
constexpr int kMid = static_cast<int>(Network::kHidden);
using Hidden = Eigen::Matrix<double, kMid, 1>;
using Input = Eigen::Matrix<double, kIn, 1>;
using Layer = Eigen::Matrix<double, kMid, kIn, Eigen::RowMajor>;

// The weights of a network, or of anything that has one number for each: three parts of one list.
template <class Number>
struct Parts {
  explicit Parts(Number* all) : layer(all), out(all + kMid * kIn), direct(out.data() + kMid) {}
  template <class T>
  using Mapped = Eigen::Map<std::conditional_t<std::is_const_v<Number>, const T, T>>;
  Mapped<Layer> layer;
  Mapped<Hidden> out;
  Mapped<Input> direct;
};

double soft(double x) { return x / (1 + std::abs(x)); }

}  // namespace

Network::Network(std::size_t horizon, std::uint64_t seed)
    : Forecaster(horizon),
      values_(kHistory + Forecaster::horizon()),
      weights_(kWeights),
      first_(kWeights),
      second_(kWeights) {
  // Only the hidden layer: with zeros behind it, what it says at first is the middle.
  Dice dice(seed);
  const double size = 1 / std::sqrt(static_cast<double>(kInputs));
  for (std::size_t i = 0; i < kHidden * kInputs; ++i) weights_[i] = size * (2 * dice.uniform() - 1);
}

Network::View Network::view(std::size_t age) const {
  const std::size_t known = std::min(values_.size() - age, kHistory);
  const auto value = [&](std::size_t i) { return values_[age + std::min(i, known - 1)]; };
  std::array<double, 5> sum{};  // of the last 4, 8, 16, 32, 64
  double running = 0;
  double greatest = 0;
  for (std::size_t i = 0, at = 0; i < kHistory; ++i) {
    running += value(i);
    if (i < 16) greatest = std::max(greatest, value(i));
    if (i + 1 == std::size_t{4} << at) sum[at++] = running;
  }
  const double all = running / static_cast<double>(kHistory);
  double apart = 0;
  for (std::size_t i = 0; i < kHistory; ++i) apart += std::abs(value(i) - all);
  View seen{};
  seen.middle = sum[1] / 8;
  seen.spread = std::max({apart / static_cast<double>(kHistory), kLeastSpread * all, kTiny});
  const auto scaled = [&](double load) {
    return std::clamp((load - seen.middle) / seen.spread, -kMostInput, kMostInput);
  };
  for (std::size_t i = 0; i < kLags; ++i) seen.inputs[i] = scaled(value(i));
  seen.inputs[kLags] = scaled((sum[2] - sum[1]) / 8);
  seen.inputs[kLags + 1] = scaled((sum[3] - sum[2]) / 16);
  seen.inputs[kLags + 2] = scaled((sum[4] - sum[3]) / 32);
  seen.inputs[kLags + 3] = scaled(greatest);
  seen.inputs[kLags + 4] = 1;
  return seen;
}

double Network::answer(const Inputs& inputs) const {
  const Parts<const double> parts(weights_.data());
  const Eigen::Map<const Input> in(inputs.data());
  const Hidden hidden = (parts.layer * in).unaryExpr(&soft);
  return parts.out.dot(hidden) + parts.direct.dot(in);
}

void Network::learn(const Inputs& inputs, double target) {
  const Parts<const double> parts(weights_.data());
  const Eigen::Map<const Input> in(inputs.data());
  const Hidden sum = parts.layer * in;
  const Hidden hidden = sum.unaryExpr(&soft);
  const double said = parts.out.dot(hidden) + parts.direct.dot(in);
  const double pull = std::clamp(said - target, -kMostError, kMostError);

  std::array<double, kWeights> gradient;
  Parts<double> down(gradient.data());
  down.out = pull * hidden;
  down.direct = pull * in;
  // The slope of x / (1 + |x|) is 1 / (1 + |x|)^2.
  const Hidden back =
      pull * parts.out.cwiseQuotient((sum.cwiseAbs().array() + 1).square().matrix());
  down.layer = back * in.transpose();

  first_left_ *= kFirstDecay;
  second_left_ *= kSecondDecay;
  for (std::size_t i = 0; i < kWeights; ++i) {
    first_[i] += (1 - kFirstDecay) * (gradient[i] - first_[i]);
    second_[i] += (1 - kSecondDecay) * (gradient[i] * gradient[i] - second_[i]);
    const double mean = first_[i] / (1 - first_left_);
    const double size = std::sqrt(second_[i] / (1 - second_left_));
    weights_[i] = std::clamp(weights_[i] - kRate * mean / (size + 1e-8), -kMostWeight, kMostWeight);
  }
}

void Network::step(double value) {
  values_.push(value);
  if (values_.size() <= horizon() + kLags) return;
  const View then = view(horizon());
  learn(then.inputs, std::clamp((value - then.middle) / then.spread, -kMostTarget, kMostTarget));
}

double Network::expect(std::size_t ahead) const {
  if (values_.empty()) return 0;
  const View now = view(0);
  const double then = now.middle + now.spread * answer(now.inputs);
  if (ahead >= horizon()) return then;
  const double part = static_cast<double>(ahead) / static_cast<double>(horizon());
  return now.middle + part * (then - now.middle);
}

void Network::horizon_changed() {
  Window other(kHistory + horizon());
  other.assign(values_.values());
  values_ = std::move(other);
}

void Network::fields(Fields& kept) {
  values_.fields(kept, "values", 0, kMostValue);
  kept.numbers("weights", weights_, kWeights, kWeights, -kMostWeight, kMostWeight);
  kept.numbers("first", first_, kWeights, kWeights, -kMostKept, kMostKept);
  kept.numbers("second", second_, kWeights, kWeights, 0, kMostKept);
  kept.number("first_left", first_left_, 0, 1);
  kept.number("second_left", second_left_, 0, 1);
}

}  // namespace sluice::forecast
