// SPDX-License-Identifier: Apache-2.0
#include "forecast/arma.hpp"

#include "loads.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace sluice::forecast {
namespace {

// A series out of the model, after a run that lets it forget how it began.
std::vector<double> simulate(const Arma& model, std::size_t steps, std::uint64_t seed) {
  Dice dice(seed);
  std::vector<double> w(steps + 300, model.mean);
  std::vector<double> e(w.size());
  for (std::size_t t = 0; t < w.size(); ++t) {
    e[t] = std::sqrt(model.variance) * normal(dice);
    w[t] += e[t];
    for (std::size_t i = 0; i < model.ar.size() && i < t; ++i)
      w[t] += model.ar[i] * (w[t - 1 - i] - model.mean);
    for (std::size_t i = 0; i < model.ma.size() && i < t; ++i) w[t] += model.ma[i] * e[t - 1 - i];
  }
  return {w.begin() + 300, w.end()};
}

class ArmaRecovery : public testing::TestWithParam<Arma> {};

TEST_P(ArmaRecovery, FindsTheParametersThatMadeTheSeries) {
  const Arma& truth = GetParam();
  const auto series = simulate(truth, 6000, 5);
  const Arma found = fit_arma(series, truth.ar.size(), truth.ma.size(), 12);
  for (std::size_t i = 0; i < truth.ar.size(); ++i) EXPECT_NEAR(found.ar[i], truth.ar[i], 0.1) << i;
  for (std::size_t i = 0; i < truth.ma.size(); ++i) EXPECT_NEAR(found.ma[i], truth.ma[i], 0.1) << i;
  EXPECT_NEAR(found.mean, truth.mean, 2);
  EXPECT_NEAR(found.variance, truth.variance, 0.06 * truth.variance);
  EXPECT_TRUE(bounded(found));
}

INSTANTIATE_TEST_SUITE_P(Models, ArmaRecovery,
                         testing::Values(Arma{{0.7}, {}, 100, 4}, Arma{{}, {0.6}, 100, 4},
                                         Arma{{}, {-0.8}, 50, 1}, Arma{{1.2, -0.4}, {}, 100, 4},
                                         Arma{{0.8}, {-0.4}, 100, 9}, Arma{{}, {0.5, 0.3}, 10, 1},
                                         Arma{{0.5, 0.2}, {0.4}, 100, 4}));

TEST(Arma, ErrorsOfTheTrueModelAreTheNoiseThatMadeIt) {
  const Arma model{{0.6, 0.2}, {0.5}, 20, 1};
  const auto series = simulate(model, 3000, 8);
  std::vector<double> errors;
  errors_of(model, series, errors);
  ASSERT_EQ(errors.size(), series.size());
  double square = 0;
  double neighbours = 0;
  for (std::size_t t = 51; t < errors.size(); ++t) {
    square += errors[t] * errors[t];
    neighbours += errors[t] * errors[t - 1];
  }
  EXPECT_NEAR(square / 2949, 1, 0.1);
  EXPECT_NEAR(neighbours / square, 0, 0.05);
}

TEST(Arma, FitsNoWorseThanTheTruth) {
  const Arma truth{{0.8}, {-0.4}, 100, 9};
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const auto series = simulate(truth, 400, seed);
    std::vector<double> errors;
    errors_of(truth, series, errors);
    double square = 0;
    for (std::size_t t = 12; t < errors.size(); ++t) square += errors[t] * errors[t];
    // The mean is not searched for, but taken from the series.
    EXPECT_LE(fit_arma(series, 1, 1, 12).variance, 1.01 * square / 388) << seed;
  }
}

TEST(Arma, PartialAutocorrelationsAndCoefficientsAreEachOthersInverse) {
  Dice dice(3);
  for (int i = 0; i < 200; ++i) {
    std::vector<double> partial(1 + static_cast<std::size_t>(i) % 3);
    for (double& one : partial) one = 1.9 * dice.uniform() - 0.95;
    const auto back = to_partial(from_partial(partial));
    for (std::size_t k = 0; k < partial.size(); ++k) EXPECT_NEAR(back[k], partial[k], 1e-9);
  }
}

TEST(Arma, WhatIsNotStationaryBecomesSo) {
  for (const std::vector<double>& ar :
       {std::vector{1.5}, std::vector{-2.0}, std::vector{1.8, 0.5}, std::vector{0.1, 0.2, 3.0}}) {
    EXPECT_FALSE(bounded({.ar = ar}));
    EXPECT_FALSE(bounded({.ma = ar}));
    EXPECT_TRUE(bounded({.ar = from_partial(to_partial(ar))}));
  }
}

TEST(Arma, FitsOfWalksAndConstantsAreBounded) {
  const auto load = walk(400, 500, 10, 2);
  const std::vector<double> flat(400, 7.5);
  for (const auto* series : {&load, &flat}) {
    for (std::size_t p = 0; p <= 2; ++p) {
      for (std::size_t q = 0; q <= 2; ++q) {
        const Arma found = fit_arma(*series, p, q, 12);
        EXPECT_TRUE(bounded(found)) << p << q;
        EXPECT_TRUE(std::isfinite(found.variance));
      }
    }
  }
}

}  // namespace
}  // namespace sluice::forecast
