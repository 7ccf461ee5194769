// SPDX-License-Identifier: Apache-2.0
#include "autoscale/reason.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace sluice::autoscale {
namespace {

Decision decision(Cause cause) {
  return {.desired = 12,
          .before = 9,
          .cause = cause,
          .demand = 11.5,
          .backlog = 77,
          .capacity = 13.5,
          .saturation = 0.85,
          .horizon_s = 65,
          .forecast = 14.25,
          .high = 19.75,
          .margin = 2.75,
          .forecaster = "arima",
          .needed = 17,
          .provided = 18,
          .cost_per_hour = 48.5};
}

TEST(Reason, SaysWhatBecauseOfWhatAndWhatIsExpected) {
  EXPECT_EQ(
      reason_of(decision(Cause::kForecast)),
      "9 to 12 backends: 14.2 requests/s expected in 65 s, with a margin of 2.8 (arima); 18.0 "
      "requests/s of capacity in 65 s");
}

TEST(Reason, EveryCauseHasItsOwnSentence) {
  std::set<std::string> all;
  int causes = 0;
  for (int i = 0; i <= static_cast<int>(Cause::kBlind); ++i) {
    const auto cause = static_cast<Cause>(i);
    EXPECT_FALSE(name_of(cause).empty());
    all.insert(reason_of(decision(cause)));
    ++causes;
  }
  EXPECT_EQ(all.size(), static_cast<std::size_t>(causes));
}

TEST(Reason, NamesWhatBoundItAndWhatStaysUncovered) {
  auto made = decision(Cause::kLoad);
  made.limits =
      static_cast<std::uint16_t>(Limit::kMax) | static_cast<std::uint16_t>(Limit::kBudget);
  made.uncovered = 5.5;
  EXPECT_EQ(
      reason_of(made),
      "9 to 12 backends: 11.5 requests/s now need 17.0 of capacity; 5.5 requests/s of what is "
      "needed stay uncovered (bounded by max,budget)");
}

TEST(Reason, OfOneBackendThatStaysSaysSo) {
  auto made = decision(Cause::kHold);
  made.before = made.desired = 1;
  made.limits = static_cast<std::uint16_t>(Limit::kStarting);
  EXPECT_EQ(reason_of(made).substr(0, 15), "1 backend stay:");
  EXPECT_NE(reason_of(made).find("what is starting will do"), std::string::npos);
}

}  // namespace
}  // namespace sluice::autoscale
