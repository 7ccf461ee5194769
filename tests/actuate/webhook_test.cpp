// SPDX-License-Identifier: Apache-2.0
#include "actuate/webhook.hpp"

#include "actuate/rig.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <sys/stat.h>

namespace sluice::actuate {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using End = Report::End;

const json kStarted = {
    {"status", 200},
    {"body", R"({"backends":[{"name":"llama-h100-1","address":"10.0.0.7","port":8000}]})"}};

class WebhookActuator : public testing::Test {
 protected:
  std::unique_ptr<Actuator> hook(const json& answers, unsigned retries = 5) {
    const auto port =
        rig_.serve("webhook_server.py", json{{"secret", "key"}, {"answers", answers}}.dump());
    settings_.url = fmt::format("https://127.0.0.1:{}/backends", port);
    settings_.secret_file = rig_.file("secret", "key\n");
    settings_.ca_file = rig_.path("ca.pem");
    settings_.retries = retries;
    return make(*rig_.loop, settings_, {}, rig_.on_report()).value();
  }
  std::vector<json> requests() const { return rig_.lines("requests.jsonl"); }

  test::Rig rig_;
  config::Actuator settings_{.type = config::ActuatorType::kWebhook};
};

TEST_F(WebhookActuator, PostsSignedOrdersUnderOneKeyUntilTheyAreTaken) {
  const auto actuator = hook({{{"status", 503}, {"headers", {{"Retry-After", "2"}}}},
                              {{"cut", true}},
                              {{"status", 200}, {"body", "started"}},
                              kStarted});
  const Report report = rig_.ask(*actuator, test::start_of("llama-h100-1"));
  EXPECT_EQ(report.end, End::kDone) << report.error;
  ASSERT_EQ(report.members.size(), 1U);
  EXPECT_EQ(report.members[0].address.text(), "10.0.0.7");
  const auto seen = requests();
  ASSERT_GE(seen.size(), 4U);  // libcurl itself repeats what a cut connection did not answer
  for (const auto& each : seen) {
    EXPECT_EQ(each["key"], "edge-1-7");
    EXPECT_EQ(each["path"], "/backends");
    EXPECT_TRUE(each["signed"]);
    EXPECT_TRUE(each["fresh"]);
    EXPECT_EQ(each["body"], seen[0]["body"]);
  }
  EXPECT_EQ(seen[0]["body"]["action"], "start");
}

TEST_F(WebhookActuator, RefusalIsNotTriedAgain) {
  const auto actuator = hook({{{"status", 400}, {"body", "no\nsuch class"}}});
  const Report report = rig_.ask(*actuator, test::start_of("llama-h100-1"));
  EXPECT_EQ(report.end, End::kRefused);
  EXPECT_EQ(report.error, "the webhook answered 400: no such class");
  EXPECT_EQ(requests().size(), 1U);
}

TEST_F(WebhookActuator, RedirectIsARefusalAndNotFollowed) {
  const auto actuator =
      hook({{{"status", 307}, {"headers", {{"Location", "/elsewhere"}}}}, kStarted});
  EXPECT_EQ(rig_.ask(*actuator, test::start_of("llama-h100-1")).end, End::kRefused);
  ASSERT_EQ(requests().size(), 1U);
  EXPECT_EQ(requests()[0]["path"], "/backends");
}

TEST_F(WebhookActuator, AnswerThatIsTooLongIsCut) {
  const auto actuator = hook({{{"status", 200}, {"fill", 2'000'000}}}, 0);
  const Report report = rig_.ask(*actuator, test::start_of("llama-h100-1"));
  EXPECT_EQ(report.end, End::kFailed);
  EXPECT_THAT(report.error, HasSubstr("longer than 1048576 bytes"));
}

TEST_F(WebhookActuator, ServerOfAnUnknownAuthorityIsToldNothing) {
  auto actuator = hook({kStarted}, 0);
  settings_.ca_file.clear();
  actuator = make(*rig_.loop, settings_, {}, rig_.on_report()).value();
  const Report report = rig_.ask(*actuator, test::start_of("llama-h100-1"));
  EXPECT_EQ(report.end, End::kFailed);
  EXPECT_THAT(report.error, HasSubstr("certificate"));
  EXPECT_TRUE(requests().empty());
}

TEST_F(WebhookActuator, SecretThatOthersMayReadIsRefusedAtTheStartAndLater) {
  const auto actuator = hook({kStarted}, 0);
  ASSERT_EQ(::chmod(settings_.secret_file.c_str(), 0640), 0);
  const auto made = make(*rig_.loop, settings_, {}, rig_.on_report());
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().text(), HasSubstr("mode 0640"));
  const Report report = rig_.ask(*actuator, test::start_of("llama-h100-1"));
  EXPECT_EQ(report.end, End::kFailed);
  EXPECT_THAT(report.error, HasSubstr("chmod 600"));
  EXPECT_TRUE(requests().empty());
}

}  // namespace
}  // namespace sluice::actuate
