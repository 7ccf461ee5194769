// SPDX-License-Identifier: Apache-2.0
#include "client/run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

namespace sluice::client {
namespace {

using testing::HasSubstr;
using testing::Not;

class DrainTest : public testing::Test {
 protected:
  DrainTest() { play_recorded(daemon_); }
  void flows(std::initializer_list<int> counts) {
    for (const int n : counts)
      daemon_.script("GET /api/v1/backends?pool=p",
                     R"({"backends": [{"pool": "p", "name": "a", "active_flows": )" +
                         std::to_string(n) + "}]}");
    daemon_.script("POST /api/v1/backends/p/a/drain", R"({"generation": 8})");
  }
  Outcome run(const std::string& words, bool progress = false) {
    auto environment = environment_for(daemon_.socket());
    environment.second = std::chrono::milliseconds(1);
    environment.progress = progress;
    environment.interrupt = [this] { return interrupt_; };
    return sluicectl(environment, words);
  }
  ScriptedDaemon daemon_;
  int interrupt_ = -1;
};

TEST_F(DrainTest, WithoutWaitItDoesNotAskForFlows) {
  flows({5});
  EXPECT_EQ(run("backend drain p a").status, 0);
  EXPECT_EQ(daemon_.received().back().what, "POST /api/v1/backends/p/a/drain");
}

TEST_F(DrainTest, WaitEndsWhenNoFlowIsLeftAndIsSilentInAPipe) {
  flows({9, 3, 0});
  const auto outcome = run("backend drain p a --wait");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, HasSubstr("p/a is drained: no flows left\n"));
}

TEST_F(DrainTest, ATerminalSeesHowFarItIs) {
  flows({8, 2, 0});
  const auto outcome = run("backend drain p a --wait", true);
  EXPECT_THAT(outcome.err, HasSubstr("  0 %  8 flows left"));
  EXPECT_THAT(outcome.err, HasSubstr(" 75 %  2 flows left"));
}

TEST_F(DrainTest, OutOfTimeItFailsAndSaysHowManyAreLeft) {
  flows({4});
  const auto outcome = run("backend drain p a --wait --seconds 2");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("p/a still has 4 flows after 2 s; it stays drained"));
}

TEST_F(DrainTest, InterruptedItFailsAndSaysHowManyAreLeft) {
  flows({1});
  const UniqueFd stop(::eventfd(1, EFD_CLOEXEC));
  interrupt_ = stop.get();
  const auto outcome = run("backend drain p a --wait");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("interrupted: p/a still has 1 flow"));
}

TEST_F(DrainTest, AnOlderDaemonThatCountsNoFlowsIsNamed) {
  daemon_.script("POST /api/v1/backends/p/a/drain", R"({"generation": 8})");
  daemon_.script("GET /api/v1/backends?pool=p", R"({"backends": [{"pool": "p", "name": "a"}]})");
  const auto outcome = run("backend drain p a --wait");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("this daemon does not count flows"));
}

TEST_F(DrainTest, ABackendThatIsRemovedMeanwhileEndsIt) {
  daemon_.script("POST /api/v1/backends/p/a/drain", R"({"generation": 8})");
  daemon_.script("GET /api/v1/backends?pool=p", R"({"backends": []})");
  EXPECT_THAT(run("backend drain p a --wait").err, HasSubstr("has no backend 'a' any more"));
}

TEST_F(DrainTest, SecondsWithoutWaitAreRefused) {
  EXPECT_EQ(run("backend drain p a --seconds 3").status, 2);
}

}  // namespace
}  // namespace sluice::client
