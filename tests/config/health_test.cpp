// SPDX-License-Identifier: Apache-2.0
#include "config/health.hpp"

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

TEST(AcceptsStatus, WithoutAListEveryStatusFrom200To299IsGood) {
  EXPECT_TRUE(accepts_status("", 200));
  EXPECT_TRUE(accepts_status("", 299));
  EXPECT_FALSE(accepts_status("", 199));
  EXPECT_FALSE(accepts_status("", 300));
}

TEST(AcceptsStatus, ANumberIsGoodAloneAndARangeWithItsEnds) {
  for (const unsigned good : {200U, 250U, 299U, 304U, 401U, 403U})
    EXPECT_TRUE(accepts_status("200-299,304,401-403", good)) << good;
  for (const unsigned bad : {0U, 100U, 300U, 303U, 305U, 400U, 404U, 599U})
    EXPECT_FALSE(accepts_status("200-299,304,401-403", bad)) << bad;
}

TEST(AcceptsStatus, ARangeThatRunsBackwardsHasNothing) {
  EXPECT_FALSE(accepts_status("299-200", 250));
}

TEST(Health, ServersOfANameAreAskedByHttpAtTheirOwnPath) {
  EXPECT_EQ((Health{.type = CheckType::kVllm}.path_asked()), "/health");
  EXPECT_EQ((Health{.type = CheckType::kTriton}.path_asked()), "/v2/health/ready");
  EXPECT_EQ((Health{.type = CheckType::kOllama}.path_asked()), "/");
  EXPECT_TRUE((Health{.type = CheckType::kVllm}.is_http()));
  EXPECT_FALSE((Health{.type = CheckType::kGrpc}.is_http()));
}

TEST(Health, APathThatIsGivenComesFirst) {
  EXPECT_EQ((Health{.type = CheckType::kVllm, .path = "/ping"}.path_asked()), "/ping");
}

}  // namespace
}  // namespace sluice::config
