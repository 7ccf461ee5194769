// SPDX-License-Identifier: Apache-2.0
#include "forecast/network.hpp"

#include "loads.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>

namespace sluice::forecast {
namespace {

double error_of(Forecaster& forecaster, const Load& load, std::size_t ahead, std::size_t from) {
  double error = 0;
  for (std::size_t i = 0; i + ahead < load.size(); ++i) {
    forecaster.observe(load[i]);
    if (i >= from) error += std::abs(forecaster.at(ahead) - load[i + ahead]);
  }
  return error / static_cast<double>(load.size() - ahead - from);
}

TEST(Network, LearnsWhatALineCannotSay) {
  // A load that turns at two bounds: after a rise to the upper one comes a fall.
  const Load load = load_of(20'000, [](std::size_t i) {
    const std::size_t at = i % 40;
    return 100 + 5 * static_cast<double>(at < 20 ? at : 40 - at);
  });
  Network network(6, 1);
  const auto last = make(Kind::kLastValue);
  const auto line = make(Kind::kLinear);
  const double error = error_of(network, load, 6, 15'000);
  EXPECT_LT(error, 0.25 * error_of(*last, load, 6, 15'000));
  EXPECT_LT(error, 0.25 * error_of(*line, load, 6, 15'000));
}

TEST(Network, BeginsAsTheMeanOfTheLastValues) {
  Network network(50, 1);
  for (int i = 1; i <= 20; ++i) network.observe(i);
  EXPECT_DOUBLE_EQ(network.at(50), 16.5);  // of 13 to 20
}

TEST(Network, AnotherSeedIsAnotherNetworkAndTheSameIsTheSame) {
  Network one(5, 1);
  Network same(5, 1);
  Network other(5, 2);
  for (const double value : walk(300, 100, 5, 1)) {
    one.observe(value);
    same.observe(value);
    other.observe(value);
  }
  EXPECT_EQ(one.at(5), same.at(5));
  EXPECT_NE(one.at(5), other.at(5));
}

TEST(Network, DoesNotDependOnTheUnitOfTheLoad) {
  Network small(5, 1);
  Network large(5, 1);
  for (const double value : with_noise(wave(2000, 100, 40, 60), 5, 2)) {
    small.observe(value / 1024);
    large.observe(value * 1024);
  }
  EXPECT_NEAR(large.at(5) / small.at(5), 1024.0 * 1024.0, 1e-3);
}

}  // namespace
}  // namespace sluice::forecast
