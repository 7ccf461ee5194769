// SPDX-License-Identifier: Apache-2.0
#include "http/allowance.hpp"

#include <gtest/gtest.h>

namespace sluice::http {
namespace {

using namespace std::chrono_literals;

struct AllowanceTest : testing::Test {
  Allowance allowance{
      {.burst = 100ms, .share = 0.1, .burst_of_all = 1000ms, .share_of_all = 0.5, .addresses = 4}};
  Allowance::Time now{};
};

TEST_F(AllowanceTest, WhoCostsNoMoreThanItsShareNeverWaits) {
  for (int i = 0; i < 1000; ++i, now += 100ms) {
    EXPECT_EQ(allowance.wait("a", now), 0s);
    allowance.charge("a", 9ms, now);
  }
}

TEST_F(AllowanceTest, WhoCostsMoreWaitsUntilItIsPaidAndOthersDoNot) {
  allowance.charge("a", 100ms, now);
  EXPECT_EQ(allowance.wait("a", now), 0s) << "the burst is allowed to the full";
  allowance.charge("a", 200ms, now);
  EXPECT_EQ(allowance.wait("a", now), 3s);
  EXPECT_EQ(allowance.wait("b", now), 0s);
  EXPECT_GT(allowance.wait("a", now + 1900ms), 0s);
  EXPECT_EQ(allowance.wait("a", now + 2001ms), 0s);
}

TEST_F(AllowanceTest, AllTogetherAreBounded) {
  for (const auto* address : {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"})
    allowance.charge(address, 100ms, now);
  EXPECT_GT(allowance.wait("a newcomer", now), 0s);
  EXPECT_EQ(allowance.wait("a newcomer", now + 201ms), 0s);
}

TEST_F(AllowanceTest, AddressesAreForgottenWhenPaidAndWhenThereAreTooMany) {
  allowance.charge("a", 10ms, now);
  now += 1s;
  EXPECT_EQ(allowance.wait("a", now), 0s);
  EXPECT_EQ(allowance.addresses(), 0U);
  for (int i = 0; i < 100; ++i) allowance.charge(std::to_string(i), 1ms, now += 1ms);
  EXPECT_EQ(allowance.addresses(), 4U);
}

TEST_F(AllowanceTest, ClockThatStandsOrGoesBackPaysNothingAndBreaksNothing) {
  allowance.charge("a", 300ms, now + 10s);
  EXPECT_GT(allowance.wait("a", now), 0s);
  EXPECT_GT(allowance.wait("a", now), 0s);
}

}  // namespace
}  // namespace sluice::http
