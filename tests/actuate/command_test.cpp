// SPDX-License-Identifier: Apache-2.0
#include "actuate/command.hpp"

#include "actuate/rig.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::actuate {
namespace {

using testing::HasSubstr;
using End = Report::End;

class CommandActuator : public testing::Test {
 protected:
  /// A shell script that finds the order in $order, and its log in $log.
  Actuator& script(const std::string& text, unsigned retries = 2) {
    config::Actuator settings{.type = config::ActuatorType::kCommand};
    const auto body = "read -r order; log=" + rig_.path("log") + "; " + text;
    settings.command = {"/bin/sh", "-c", body};
    settings.retries = retries;
    settings.timeout = std::chrono::seconds(600);  // 30 of the wall's
    actuator_ = make(*rig_.loop, settings, {}, rig_.on_report()).value();
    return *actuator_;
  }

  test::Rig rig_;
  std::unique_ptr<Actuator> actuator_;
};

TEST_F(CommandActuator, ReadsTheOrderAndAnswersWithTheBackend) {
  auto& actuator = script(
      R"(echo "$order" >>$log; echo '{"backends":[{"name":"llama-h100-1","address":"10.0.0.7","port":8000}]}')");
  const Report report = rig_.ask(actuator, test::start_of("llama-h100-1"));
  EXPECT_EQ(report.end, End::kDone) << report.error;
  ASSERT_EQ(report.members.size(), 1U);
  EXPECT_EQ(report.members[0].address.text(), "10.0.0.7");
  EXPECT_EQ(report.members[0].port, 8000);
  ASSERT_EQ(rig_.lines("log").size(), 1U);
  EXPECT_EQ(rig_.lines("log")[0], nlohmann::json({{"action", "start"},
                                                  {"id", "edge-1-7"},
                                                  {"pool", "llama"},
                                                  {"class", "h100"},
                                                  {"name", "llama-h100-1"}}));
}

TEST_F(CommandActuator, FailingIsTriedAgainUnderTheSameId) {
  auto& actuator =
      script(R"(echo "$order" >>$log; [ $(wc -l <$log) -ge 3 ] || { echo full >&2; exit 4; })");
  Order stop = test::start_of("llama-h100-1");
  stop.verb = Verb::kStop;
  EXPECT_EQ(rig_.ask(actuator, stop).end, End::kDone);
  const auto orders = rig_.lines("log");
  ASSERT_EQ(orders.size(), 3U);
  EXPECT_EQ(orders[0], orders[2]);
}

TEST_F(CommandActuator, FailingForGoodIsToldWithWhatItSaid) {
  const Report report =
      rig_.ask(script("echo no quota >&2; exit 4"), test::start_of("llama-h100-1"));
  EXPECT_EQ(report.end, End::kFailed);
  EXPECT_EQ(report.error, "the program: exit status 4: no quota (3 attempts)");
}

TEST_F(CommandActuator, HangingIsEndedByTheTimeLimit) {
  config::Actuator settings{.type = config::ActuatorType::kCommand};
  settings.command = {"/bin/sh", "-c", "sleep 1000 & sleep 1000"};
  settings.timeout = std::chrono::seconds(4);  // 200 ms of the wall's
  settings.retries = 1;
  auto actuator = make(*rig_.loop, settings, {}, rig_.on_report()).value();
  const Report report = rig_.ask(*actuator, test::start_of("llama-h100-1"));
  EXPECT_EQ(report.end, End::kTimedOut);
  EXPECT_EQ(report.error, "the program ran out of time (2 attempts)");
}

TEST_F(CommandActuator, WhatDoesNotReadItsInputIsServedAllTheSame) {
  auto& actuator = script("exec <&-; echo '{\"backends\":[]}'");
  EXPECT_EQ(rig_.ask(actuator, {.id = "edge-1-1", .verb = Verb::kList, .pool = "llama"}).end,
            End::kDone);
}

TEST_F(CommandActuator, OddAnswersAreNoneAndSayWhatIsOdd) {
  const auto error = [&](const std::string& text) {
    const Report report = rig_.ask(script(text, 0), test::start_of("llama-h100-1"));
    EXPECT_EQ(report.end, End::kFailed);
    return report.error;
  };
  EXPECT_THAT(error("echo started"), HasSubstr("the answer is no JSON object: 'started'"));
  EXPECT_THAT(error(""), HasSubstr("no JSON object"));
  EXPECT_THAT(error("head -c 2000000 /dev/zero | tr '\\0' ' '"),
              HasSubstr("longer than 1048576 bytes"));
  EXPECT_THAT(error(R"(echo '{"backends":[{"name":"a b","address":"10.0.0.7"}]}')"),
              HasSubstr("/backends/0/name"));
  EXPECT_THAT(error(R"(echo '{"backends":[]}{"backends":[]}')"), HasSubstr("no JSON object"));
}

TEST_F(CommandActuator, ListIsTriedOnceAndTellsAll) {
  const Order list{.id = "edge-1-1", .verb = Verb::kList, .pool = "llama"};
  auto& good = script(
      R"(echo '{"backends":[{"name":"a","address":"10.0.0.7"},{"name":"b","address":"10.0.0.8","state":"asleep"}]}')");
  const Report report = rig_.ask(good, list);
  ASSERT_EQ(report.members.size(), 2U);
  EXPECT_EQ(report.members[1].standing, Member::Standing::kAsleep);
  EXPECT_EQ(rig_.ask(script("exit 1"), list).error, "the program: exit status 1");
}

TEST_F(CommandActuator, ManyOrdersAreCarriedOutAFewAtATime) {
  auto& actuator = script("echo x >>$log");
  for (int i = 0; i < 60; ++i)
    actuator.order({.id = "edge-1-" + std::to_string(i), .verb = Verb::kStop, .pool = "llama"});
  actuator.order({.id = "edge-1-5", .verb = Verb::kStop, .pool = "llama"});  // it is under way
  EXPECT_EQ(actuator.pending(), 60U);
  EXPECT_TRUE(rig_.wait([&] { return actuator.pending() == 0; }));
  EXPECT_EQ(rig_.reports.size(), 60U);
}

TEST_F(CommandActuator, ThatIsNotThereIsRefusedAtOnce) {
  config::Actuator settings{.type = config::ActuatorType::kCommand};
  settings.command = {"/nonexistent/start"};
  const auto made = make(*rig_.loop, settings, {}, rig_.on_report());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().text(),
            "command: /nonexistent/start cannot be run: No such file or directory");
}

TEST_F(CommandActuator, MayGoWhileOrdersAreUnderWay) {
  auto& actuator = script("sleep 1000");
  for (int i = 0; i < 40; ++i) actuator.order({.id = std::to_string(i), .verb = Verb::kStop});
  rig_.loop->turn(std::chrono::milliseconds(20));
  actuator_.reset();
  for (int i = 0; i < 10; ++i) rig_.loop->turn(std::chrono::milliseconds(1));
  EXPECT_TRUE(rig_.reports.empty());
}

}  // namespace
}  // namespace sluice::actuate
