// SPDX-License-Identifier: Apache-2.0
#include "actuate/simple.hpp"

#include "actuate/rig.hpp"
#include "actuate/secret.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::actuate {
namespace {

using testing::HasSubstr;
using End = Report::End;

TEST(Standby, StartsWhatItKnowsAndNothingElse) {
  test::Rig rig;
  config::Actuator settings{.type = config::ActuatorType::kStandby};
  settings.backends = {{.name = "rack-1", .address = IpAddress::v4({10, 0, 0, 1}), .port = 80}};
  auto actuator = make(*rig.loop, settings, {}, rig.on_report()).value();
  EXPECT_EQ(actuator->ability().known.size(), 1U);
  const Report started = rig.ask(*actuator, test::start_of("rack-1"));
  EXPECT_EQ(started.end, End::kDone);
  ASSERT_EQ(started.members.size(), 1U);
  EXPECT_EQ(started.members[0].address.text(), "10.0.0.1");
  EXPECT_EQ(rig.ask(*actuator, test::start_of("rack-2")).end, End::kRefused);
  Order stop = test::start_of("rack-1");
  stop.verb = Verb::kStop;
  EXPECT_EQ(rig.ask(*actuator, stop).end, End::kDone);
}

TEST(MetricCount, PublishesTheLastCount) {
  test::Rig rig;
  auto actuator = make(*rig.loop, {}, {}, rig.on_report()).value();
  EXPECT_EQ(actuator->published(), std::nullopt);
  EXPECT_EQ(keda_text("llama", actuator->published()), R"({"pool":"llama"})");
  EXPECT_EQ(rig.ask(*actuator, {.id = "1", .verb = Verb::kCount, .count = 4}).count, 4U);
  EXPECT_EQ(keda_text("llama", actuator->published()), R"({"pool":"llama","desired":4})");
  EXPECT_EQ(rig.ask(*actuator, test::start_of("a")).end, End::kRefused);
}

TEST(Secret, IsReadWithoutItsLineEnd) {
  test::Rig rig;
  EXPECT_EQ(read_secret(rig.file("key", "abc\r\n")).value(), "abc");
}

TEST(Secret, ThatOthersMayUseOrThatIsNoneIsRefusedAndNeverShown) {
  test::Rig rig;
  for (const unsigned mode : {0640U, 0604U, 0620U, 0601U}) {
    const auto secret = read_secret(rig.file("key", "hidden", mode));
    ASSERT_FALSE(secret);
    EXPECT_THAT(secret.error().text(), HasSubstr("chmod 600"));
    EXPECT_THAT(secret.error().text(), testing::Not(HasSubstr("hidden")));
  }
  EXPECT_THAT(read_secret(rig.file("key2", "\n")).error().text(), HasSubstr("is empty"));
  EXPECT_THAT(read_secret(rig.file("key3", "a\nhidden")).error().text(), HasSubstr("printable"));
  EXPECT_THAT(read_secret(rig.file("key4", std::string(kLongestSecret + 1, 'x'))).error().text(),
              HasSubstr("longer"));
  EXPECT_EQ(read_secret(rig.path("none")).error().code, Errc::kNotFound);
  EXPECT_FALSE(read_secret("/dev/null"));
}

// RFC 4231, test case 2.
TEST(Secret, SignatureIsHmacSha256) {
  EXPECT_EQ(hmac_sha256("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(LongestOrder, CoversAllAttemptsAndPauses) {
  config::Actuator settings;
  settings.timeout = std::chrono::seconds(10);
  settings.retries = 5;
  EXPECT_GT(longest_order_s(settings), 6 * 10 + 1 + 2 + 4 + 8 + 16);
}

}  // namespace
}  // namespace sluice::actuate
