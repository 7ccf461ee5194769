// SPDX-License-Identifier: Apache-2.0
#include "forecast/ensemble.hpp"

#include "loads.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <functional>

namespace sluice::forecast {
namespace {

double error_of(Forecaster& forecaster, const Load& load, std::size_t ahead) {
  const std::size_t from = load.size() / 4;
  double error = 0;
  for (std::size_t i = 0; i + ahead < load.size(); ++i) {
    forecaster.observe(load[i]);
    if (i >= from) error += std::abs(forecaster.at(ahead) - load[i + ahead]);
  }
  return error / static_cast<double>(load.size() - ahead - from);
}

struct Case {
  const char* name;
  Load load;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"noise", with_noise(constant(4000, 100), 15, 1)},
      {"walk", walk(4000, 2000, 10, 2)},
      {"noisy_walk", with_noise(walk(4000, 2000, 5, 3), 30, 4)},
      {"waves", with_noise(wave(4000, 100, 60, 240), 4, 5)},
      {"rises_and_falls", with_noise(load_of(4000,
                                             [](std::size_t i) {
                                               const std::size_t at = i % 600;
                                               return static_cast<double>(at < 300 ? at : 600 - at);
                                             }),
                                     2, 8)},
      {"bursts", bursts(4000, 50, 6)},
      {"steps",
       with_noise(load_of(4000, [](std::size_t i) { return i / 400 % 2 == 0 ? 50 : 150; }), 5, 7)},
  };
  return all;
}

class EnsembleOn : public testing::TestWithParam<std::size_t> {};

TEST_P(EnsembleOn, EachLoadIsAtMostAFewPercentWorseThanItsBestMember) {
  const Load& load = cases()[GetParam()].load;
  for (const std::size_t ahead : {5U, 13U}) {
    Ensemble ensemble({.horizon = ahead});
    const double error = error_of(ensemble, load, ahead);
    double best = 1e18;
    for (const Kind kind : {Kind::kLastValue, Kind::kQuantile, Kind::kLinear, Kind::kHoltWinters,
                            Kind::kArima, Kind::kKalman, Kind::kNetwork})
      best = std::min(best, error_of(*make(kind, {.horizon = ahead}), load, ahead));
    EXPECT_LE(error, 1.05 * best) << ahead;
  }
}

INSTANTIATE_TEST_SUITE_P(Loads, EnsembleOn, testing::Range<std::size_t>(0, cases().size()),
                         [](const auto& at) { return std::string(cases()[at.param].name); });

/// Says what it is told to.
class Told final : public Forecaster {
 public:
  explicit Told(std::function<double(double)> of) : of_(std::move(of)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "told"; }

 private:
  void step(double value) override { last_ = value; }
  [[nodiscard]] double expect(std::size_t /*ahead*/) const override { return of_(last_); }
  void fields(Fields& /*kept*/) override {}

  std::function<double(double)> of_;
  double last_ = 0;
};

std::vector<std::unique_ptr<Forecaster>> two(std::function<double(double)> other) {
  std::vector<std::unique_ptr<Forecaster>> members;
  members.push_back(std::make_unique<Told>([](double last) { return last; }));
  members.push_back(std::make_unique<Told>(std::move(other)));
  return members;
}

TEST(Ensemble, AMemberThatExplodesWeighsNothingAtOnce) {
  bool explode = false;
  Ensemble ensemble(two([&](double last) { return explode ? 1e11 : last + 0.01; }), 5);
  const Load load = with_noise(constant(300, 100), 5, 1);
  for (const double value : load) ensemble.observe(value);
  EXPECT_GT(ensemble.shares()[1].weight, 0.3);
  explode = true;
  ensemble.observe(100);  // its first promise of that kind: nothing of it has been broken yet
  EXPECT_EQ(ensemble.shares()[1].weight, 0);
  EXPECT_DOUBLE_EQ(ensemble.at(5), 100);
  EXPECT_LE(ensemble.at(50), 200);
}

TEST(Ensemble, AMemberThatHasBeenWrongOfLateWeighsLittle) {
  bool wrong = false;
  Ensemble ensemble(two([&](double last) { return wrong ? 0.8 * last : last; }), 3);
  const Load load = with_noise(constant(600, 100), 2, 1);
  for (std::size_t i = 0; i < load.size(); ++i) {
    wrong = i > 550;
    ensemble.observe(load[i]);
  }
  EXPECT_LT(ensemble.shares()[1].weight, 0.01);
  EXPECT_NEAR(ensemble.at(3), load.back(), 1);
}

TEST(Ensemble, IfAllExplodeTheLastValueIsLeft) {
  Ensemble ensemble(two([](double) { return 1e12; }), 3);
  std::vector<std::unique_ptr<Forecaster>> one;
  one.push_back(std::make_unique<Told>([](double) { return 1e12; }));
  Ensemble alone(std::move(one), 3);
  alone.observe(70);
  EXPECT_EQ(alone.at(3), 70);
}

TEST(Ensemble, SharesAddUpAndNameTheLeader) {
  Ensemble ensemble({.horizon = 5});
  for (const double value : walk(500, 1000, 10, 8)) ensemble.observe(value);
  const auto shares = ensemble.shares();
  EXPECT_EQ(shares.size(), 7U);
  double sum = 0;
  for (const auto& share : shares) sum += share.weight;
  EXPECT_NEAR(sum, 1, 1e-12);
  const auto most = std::ranges::max_element(shares, {}, &Ensemble::Share::weight);
  EXPECT_EQ(ensemble.leader(), most->name);
}

TEST(Ensemble, FollowsABurstAsItsFastestMemberDoes) {
  Ensemble ensemble({.horizon = 5});
  for (const double value : with_noise(constant(600, 10), 0.5, 9)) ensemble.observe(value);
  for (int i = 0; i < 8; ++i) ensemble.observe(100);
  EXPECT_GT(ensemble.at(5), 60);
}

TEST(Ensemble, AStateWithMembersOfAnotherHorizonIsRefused) {
  Ensemble ensemble({.horizon = 5});
  for (const double value : walk(50, 1000, 10, 8)) ensemble.observe(value);
  auto state = ensemble.save();
  state["linear"]["state"]["horizon"] = 6;
  const auto result = ensemble.restore(state);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kInvalid);
  EXPECT_TRUE(result.error().where.starts_with("/linear/state")) << result.error().where;
}

}  // namespace
}  // namespace sluice::forecast
