// SPDX-License-Identifier: Apache-2.0
// What every forecaster keeps to, whatever it does inside.
#include "forecast/forecaster.hpp"

#include "loads.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <string>

namespace sluice::forecast {
namespace {

using Json = nlohmann::json;

constexpr std::array kKinds = {Kind::kLastValue,   Kind::kQuantile, Kind::kLinear,
                               Kind::kHoltWinters, Kind::kArima,    Kind::kKalman,
                               Kind::kNetwork,     Kind::kEnsemble};

class EveryForecaster : public testing::TestWithParam<Kind> {
 protected:
  [[nodiscard]] std::unique_ptr<Forecaster> fresh(std::size_t season = 0) const {
    return make(GetParam(), {.season = season, .seed = 7, .horizon = 5});
  }
};

Load mixed(std::size_t steps) {
  Load load = with_noise(wave(steps, 60, 30, 96), 5, 3);
  const Load on_top = bursts(steps, 200, 4);
  for (std::size_t i = 0; i < steps; ++i) load[i] = i % 400 < 300 ? load[i] + on_top[i] : 0;
  return load;
}

void observe(Forecaster& forecaster, const Load& load) {
  for (const double value : load) forecaster.observe(value);
}

TEST_P(EveryForecaster, SaysItsName) { EXPECT_EQ(fresh()->name(), name_of(GetParam())); }

TEST_P(EveryForecaster, ExpectsNothingBeforeAnythingWasSeen) {
  EXPECT_EQ(fresh()->at(1), 0);
  EXPECT_EQ(fresh()->at(kLongestAhead), 0);
}

TEST_P(EveryForecaster, ExpectsTheFirstValueAfterOne) {
  const auto forecaster = fresh();
  forecaster->observe(42);
  EXPECT_NEAR(forecaster->at(1), 42, 1e-9);
  EXPECT_NEAR(forecaster->at(300), 42, 1e-9);
}

TEST_P(EveryForecaster, ExpectsOfAConstantLoadThatItStays) {
  for (const double value : {0.0, 1e-6, 1.0, 123.456, 1e9}) {
    const auto forecaster = fresh();
    observe(*forecaster, constant(700, value));
    for (const std::size_t ahead : {1U, 5U, 13U, 200U})
      EXPECT_NEAR(forecaster->at(ahead), value, 1e-9 * value) << ahead;
  }
}

TEST_P(EveryForecaster, GivesTheSameForTheSameToTheLastBit) {
  const auto first = fresh();
  const auto second = fresh();
  for (const double value : mixed(900)) {
    first->observe(value);
    second->observe(value);
    ASSERT_EQ(first->at(5), second->at(5));
  }
  EXPECT_EQ(first->save().dump(), second->save().dump());
}

TEST_P(EveryForecaster, SavedAndRestoredInMidSeriesGoesOnToTheLastBit) {
  const Load load = mixed(1500);
  for (const std::size_t season : {0U, 96U}) {
    const auto whole = fresh(season);
    auto restarted = fresh(season);
    for (std::size_t i = 0; i < load.size(); ++i) {
      if (i < 3 || i == 95 || i == 96 || i % 100 == 50) {
        const std::string text = restarted->save().dump();
        auto next = fresh(season);
        ASSERT_TRUE(next->restore(Json::parse(text)));
        ASSERT_EQ(next->save().dump(), text);
        restarted = std::move(next);
      }
      whole->observe(load[i]);
      restarted->observe(load[i]);
      for (const std::size_t ahead : {1U, 5U, 13U})
        ASSERT_EQ(whole->at(ahead), restarted->at(ahead)) << i;
    }
    EXPECT_EQ(whole->save().dump(), restarted->save().dump());
  }
}

TEST_P(EveryForecaster, StaysWithinBoundsWhateverComes) {
  Dice dice(11);
  const auto forecaster = fresh();
  for (int i = 0; i < 3000; ++i) {
    // Sizes from 0 to beyond the greatest value that counts, and jumps between them.
    const double exponent = 16 * dice.uniform();
    forecaster->observe(dice.uniform() < 0.3 ? 0 : std::pow(10.0, exponent) - 1);
    if (i % 500 == 499) forecaster->set_horizon(1 + static_cast<std::size_t>(40 * dice.uniform()));
    for (const std::size_t ahead : {1U, 5U, 60U, 4096U, 1000000U}) {
      const double expected = forecaster->at(ahead);
      ASSERT_TRUE(std::isfinite(expected));
      ASSERT_GE(expected, 0);
      ASSERT_LE(expected, kMostValue);
    }
    if (i % 300 == 0) {
      ASSERT_TRUE(fresh()->restore(forecaster->save())) << i;
    }
  }
}

TEST_P(EveryForecaster, KeepsTheHorizonWithItsState) {
  const auto forecaster = fresh();
  observe(*forecaster, mixed(100));
  forecaster->set_horizon(13);
  observe(*forecaster, mixed(100));
  const auto other = fresh();
  ASSERT_TRUE(other->restore(forecaster->save()));
  EXPECT_EQ(other->horizon(), 13U);
}

TEST_P(EveryForecaster, RefusesTheStateOfAnotherKindAndStaysAsItWas) {
  const auto forecaster = fresh();
  observe(*forecaster, mixed(300));
  const std::string before = forecaster->save().dump();
  for (const Kind kind : kKinds) {
    if (kind == GetParam()) continue;
    const auto result = forecaster->restore(make(kind)->save());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::kInvalid);
    EXPECT_EQ(result.error().where, "/kind");
  }
  EXPECT_EQ(forecaster->save().dump(), before);
}

// Each value of the state in turn becomes something that it cannot be.
void spoil_each(const Json& whole, const Json::json_pointer& at,
                const std::function<void(const Json::json_pointer&)>& tell) {
  const Json& value = whole.at(at);
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) spoil_each(whole, at / key, tell);
  } else {
    tell(at);
    if (value.is_array() && !value.empty()) tell(at / (value.size() / 2));
  }
}

TEST_P(EveryForecaster, RefusesAStateWithAnyFieldSpoiltAndStaysAsItWas) {
  const auto source = fresh();
  observe(*source, mixed(700));
  const Json state = source->save();
  const auto forecaster = fresh();
  observe(*forecaster, mixed(300));
  const std::string before = forecaster->save().dump();
  const std::array<Json, 6> absurd = {
      Json(), Json("text"), Json(1e300), Json(-1e300), Json(Json::array({1, "x"})), Json::object()};
  std::size_t spoilt = 0;
  spoil_each(state, Json::json_pointer(), [&](const Json::json_pointer& at) {
    for (const Json& value : absurd) {
      Json wrong = state;
      wrong[at] = value;
      const auto result = forecaster->restore(wrong);
      EXPECT_FALSE(result) << at.to_string() << " = " << value.dump();
      EXPECT_TRUE(result || result.error().code == Errc::kInvalid);
      ++spoilt;
    }
    if (at.back() == "kind" || state.at(at.parent_pointer()).is_array()) return;
    Json without = state;
    without[at.parent_pointer()].erase(at.back());
    EXPECT_FALSE(forecaster->restore(without)) << at.to_string();
  });
  EXPECT_GE(spoilt, absurd.size());
  EXPECT_EQ(forecaster->save().dump(), before);
  for (const Json& value : absurd) EXPECT_FALSE(forecaster->restore(value));
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryForecaster, testing::ValuesIn(kKinds),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

TEST(Linear, ContinuesAStraightLineExactly) {
  const auto forecaster = make(Kind::kLinear);
  observe(*forecaster, ramp(300, 10, 0.75));
  for (const std::size_t ahead : {1U, 13U, 100U})
    EXPECT_NEAR(forecaster->at(ahead), 10 + 0.75 * static_cast<double>(299 + ahead), 1e-9);
}

TEST(Linear, DoesNotFallBelowZero) {
  const auto forecaster = make(Kind::kLinear);
  observe(*forecaster, ramp(50, 50, -1));
  EXPECT_EQ(forecaster->at(100), 0);
}

}  // namespace
}  // namespace sluice::forecast
