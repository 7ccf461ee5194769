// SPDX-License-Identifier: Apache-2.0
#include "autoscale/peak_window.hpp"

#include "forecast/dice.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace sluice::autoscale {
namespace {

TEST(PeakWindow, IsTheGreatestOfTheSpanByAPlainSearch) {
  forecast::Dice dice(1);
  for (const double span : {1.0, 15.0, 90.0, 1e6}) {
    PeakWindow window;
    std::vector<std::pair<double, double>> all;
    double t = 0;
    for (int i = 0; i < 400; ++i) {
      t += 1 + std::floor(dice.uniform() * 20);
      const double value = std::floor(dice.uniform() * 10);
      window.add(t, value, span);
      all.emplace_back(t, value);
      double greatest = 0;
      for (const auto& [at, one] : all)
        if (at > t - span) greatest = std::max(greatest, one);
      ASSERT_EQ(window.peak(), greatest) << span << " " << i;
    }
  }
}

TEST(PeakWindow, OfNoSpanIsTheNewest) {
  PeakWindow window;
  EXPECT_TRUE(window.empty());
  for (const double value : {5.0, 3.0, 4.0}) {
    window.add(10, value, 0);
    EXPECT_EQ(window.peak(), value);
  }
}

TEST(PeakWindow, HeldStaysAsHighForASpanMore) {
  PeakWindow window;
  window.hold(0);
  EXPECT_TRUE(window.empty());
  window.add(0, 9, 60);
  window.add(30, 2, 60);
  window.hold(1000);
  window.add(1059, 1, 60);
  EXPECT_EQ(window.peak(), 9);
  window.add(1061, 1, 60);
  EXPECT_EQ(window.peak(), 1);
}

TEST(PeakWindow, InAnotherUnitIsRoundedUp) {
  PeakWindow window;
  window.add(0, 10, 60);
  window.add(1, 3, 60);
  window.convert(0.25);
  EXPECT_EQ(window.peak(), 3);
  window.convert(2);
  EXPECT_EQ(window.peak(), 6);
}

TEST(PeakWindow, KeptUnderAnotherOriginForgetsAtTheSameTimes) {
  forecast::Dice dice(2);
  PeakWindow whole;
  PeakWindow restarted;
  double shift = 0;
  for (int i = 0; i < 600; ++i) {
    const double t = i * 0.1;
    const double value = std::floor(dice.uniform() * 100);
    whole.add(t, value, 2.7);
    restarted.add(t + shift, value, 2.7);
    ASSERT_EQ(whole.peak(), restarted.peak()) << i;
    if (i % 7 != 0) continue;
    const auto state =
        forecast::write_fields([&](auto& f) { restarted.keep(f, "floors", t + shift); });
    shift = dice.uniform() * 1e5;
    PeakWindow next;
    ASSERT_TRUE(forecast::read_fields(state, [&](auto& f) { next.keep(f, "floors", t + shift); }));
    restarted = next;
  }
}

TEST(PeakWindow, RefusesValuesThatCannotBeInIt) {
  PeakWindow window;
  for (int i = 0; i < 5; ++i) window.add(i, 10 - i, 60);
  const auto state = forecast::write_fields([&](auto& f) { window.keep(f, "floors", 5); });
  for (const char* const field : {"age_s", "value"}) {
    auto wrong = state;
    std::swap(wrong["floors"][field][0], wrong["floors"][field][1]);
    PeakWindow other;
    EXPECT_FALSE(forecast::read_fields(wrong, [&](auto& f) { other.keep(f, "floors", 5); }))
        << field;
  }
}

}  // namespace
}  // namespace sluice::autoscale
