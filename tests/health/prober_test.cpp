// SPDX-License-Identifier: Apache-2.0
#include "health/prober.hpp"

#include "rig.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;
using config::CheckType;

/// Time stands still until a test moves it. The backends of these tests are silent or refuse at
/// once, so that no real time matters.
struct ProberTest : testing::Test {
  EventLoop::Clock::time_point time{1h};
  std::unique_ptr<EventLoop> loop = EventLoop::open([this] { return time; }).value();
  std::unique_ptr<Prober> prober;
  std::vector<std::pair<std::string, Outcome>> outcomes;
  NobodyThere nobody;
  Server silent{stay_silent()};

  ProberTest() { open({.seed = 1}); }

  void open(Prober::Options options) {
    prober = Prober::open(*loop, std::move(options)).value();
    prober->on_outcome([this](const Target& target, const Outcome& outcome) {
      outcomes.emplace_back(target.backend, outcome);
    });
  }

  [[nodiscard]] Target refusing(const std::string& name) const {
    Target target{"p", name, kLoopback, nobody.port(), check_of(CheckType::kTcp)};
    target.check.interval = 1000ms;
    target.check.timeout = 500ms;
    target.check.jitter = 0;
    return target;
  }
  [[nodiscard]] Target hanging(const std::string& name) const {
    Target target = refusing(name);
    target.port = silent.port();
    target.check.type = CheckType::kHttp;
    return target;
  }

  /// Goes on by so much and lets happen what is due: questions, then what became of them.
  void pass(std::chrono::milliseconds by) {
    time += by;
    for (int turn = 0; turn < 4; ++turn) loop->turn(0ms);
  }
  [[nodiscard]] std::size_t count(const std::string& name) const {
    return static_cast<std::size_t>(
        std::ranges::count(outcomes, name, &std::pair<std::string, Outcome>::first));
  }
};

TEST_F(ProberTest, BackendIsAskedOnceInAnInterval) {
  prober->set_targets({refusing("a")});
  pass(1ms);
  EXPECT_EQ(count("a"), 1U);
  for (int i = 0; i < 10; ++i) {
    pass(999ms);
    EXPECT_EQ(count("a"), 1U + static_cast<std::size_t>(i));
    pass(1ms);
    EXPECT_EQ(count("a"), 2U + static_cast<std::size_t>(i));
  }
  EXPECT_EQ(outcomes.front().second.fault, Fault::kRefused);
}

TEST_F(ProberTest, HurryTakesTheFastIntervalFromTheLastQuestionOnAndEnds) {
  Target target = refusing("a");
  target.check.fast_interval = 100ms;
  prober->set_targets({target});
  pass(1ms);
  pass(60ms);
  prober->hurry("p", "a", true);
  pass(39ms);
  EXPECT_EQ(count("a"), 1U);
  pass(1ms);
  EXPECT_EQ(count("a"), 2U);
  pass(100ms);
  EXPECT_EQ(count("a"), 3U);
  prober->hurry("p", "a", false);
  pass(100ms);  // was armed already
  EXPECT_EQ(count("a"), 4U);
  pass(999ms);
  EXPECT_EQ(count("a"), 4U);
  pass(1ms);
  EXPECT_EQ(count("a"), 5U);
  prober->hurry("p", "nobody", true);
}

TEST_F(ProberTest, SilenceIsATimeOutAndTheQuestionIsGivenUp) {
  prober->set_targets({hanging("a")});
  pass(1ms);
  EXPECT_EQ(prober->asking(), 1U);
  pass(499ms);
  EXPECT_TRUE(outcomes.empty());
  pass(1ms);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].second.fault, Fault::kTimeout);
  EXPECT_EQ(outcomes[0].second.took, 500ms);
  EXPECT_EQ(prober->asking(), 0U);
}

TEST_F(ProberTest, TimeInWhichNobodyLookedIsNotHeldAgainstTheBackend) {
  prober->set_targets({hanging("a")});
  pass(1ms);
  pass(700ms);  // at once: the loop was elsewhere for 200 ms longer than the time-out
  EXPECT_TRUE(outcomes.empty());
  pass(199ms);
  EXPECT_TRUE(outcomes.empty());
  pass(1ms);
  ASSERT_EQ(outcomes.size(), 1U);  // once: a loop that is always late still finds the dead
  EXPECT_EQ(outcomes[0].second.fault, Fault::kTimeout);
}

struct DriverTest : ProberTest {
  NobodyThere udp{SOCK_DGRAM};
  std::optional<EventLoop::Clock::time_point> seen;

  DriverTest() {
    Prober::Options options{.seed = 1};
    options.driver_saw = [this](const IpAddress&) { return seen; };
    open(std::move(options));
  }

  /// What becomes of a question that nobody answers when the driver saw something at that time.
  Outcome ask(CheckType type, std::chrono::milliseconds seen_after,
              std::chrono::milliseconds late) {
    Target target = hanging("a");
    target.check.type = type;
    if (type == CheckType::kUdp) target.port = udp.port();
    prober->set_targets({target});
    pass(1ms);
    EXPECT_EQ(prober->asking(), 1U);
    seen = time + seen_after;
    pass(500ms + late);
    if (late > 0ms && outcomes.empty()) pass(late);
    EXPECT_EQ(outcomes.size(), 1U);
    return outcomes.empty() ? Outcome{Fault::kLocal} : outcomes.front().second;
  }
};

TEST_F(DriverTest, AnswerThatTheDriverSawInTimeSavesAProbeThatWeReadTooLate) {
  const Outcome outcome = ask(CheckType::kUdp, 7ms, 300ms);
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(outcome.took, 7ms);
}

TEST_F(DriverTest, AnswerOfAnEarlierProbeSavesNothing) {
  EXPECT_EQ(ask(CheckType::kUdp, -1ms, 0ms).fault, Fault::kTimeout);
}

TEST_F(DriverTest, AnswerAfterTheTimeOutSavesNothing) {
  EXPECT_EQ(ask(CheckType::kUdp, 501ms, 300ms).fault, Fault::kTimeout);
}

TEST_F(DriverTest, BeginningOfALongerAnswerSavesNothing) {
  EXPECT_EQ(ask(CheckType::kHttp, 10ms, 0ms).fault, Fault::kTimeout);
}

TEST_F(ProberTest, TargetThatStaysTheSameGoesOnUndisturbedAndAChangedOneBeginsAnew) {
  prober->set_targets({hanging("a"), hanging("b")});
  pass(2ms);
  ASSERT_EQ(prober->asking(), 2U);
  Target changed = hanging("b");
  changed.check.path = "/other";
  prober->set_targets({hanging("a"), changed});
  EXPECT_EQ(prober->asking(), 1U);
  pass(500ms);
  EXPECT_EQ(count("a"), 1U);
  EXPECT_EQ(count("b"), 0U);
  pass(500ms);
  EXPECT_EQ(count("b"), 1U);
}

TEST_F(ProberTest, TargetThatGoesIsNotHeardOfAgain) {
  prober->set_targets({hanging("a"), refusing("b")});
  pass(2ms);
  EXPECT_EQ(count("b"), 1U);
  prober->set_targets({});
  EXPECT_EQ(prober->targets(), 0U);
  EXPECT_EQ(prober->asking(), 0U);
  pass(10s);
  EXPECT_EQ(outcomes.size(), 1U);
}

const auto kEverybody = [](const Target&) { return true; };

TEST_F(ProberTest, WhoIsAskedEarlyHasHisNextTurnAnIntervalLater) {
  prober->set_targets({refusing("a")});
  pass(1ms);
  ASSERT_EQ(count("a"), 1U);
  pass(600ms);
  EXPECT_EQ(prober->ask_early(kEverybody), 1U);
  pass(0ms);
  EXPECT_EQ(count("a"), 2U);
  pass(999ms);
  EXPECT_EQ(count("a"), 2U);
  pass(1ms);
  EXPECT_EQ(count("a"), 3U);
}

TEST_F(ProberTest, SignsThatComeInAFloodCostOneQuestionInAGap) {
  prober->set_targets({refusing("a")});
  pass(1ms);
  ASSERT_EQ(count("a"), 1U);
  std::size_t asked = 0;
  for (auto passed = 0ms; passed < 2 * Prober::kEarlyGap; ++passed) {
    pass(1ms);
    asked += prober->ask_early(kEverybody);
  }
  EXPECT_EQ(asked, 2U) << "one when the gap is over, not a millisecond before";
  pass(0ms);
  EXPECT_EQ(count("a"), 3U);
}

TEST_F(ProberTest, NobodyIsAskedEarlyBeforeHisFirstTurnOrWhileAQuestionIsOpen) {
  prober->set_targets({hanging("a")});
  EXPECT_EQ(prober->ask_early(kEverybody), 0U) << "his first turn comes at once";
  pass(1ms);
  ASSERT_EQ(prober->asking(), 1U);
  pass(300ms);
  EXPECT_EQ(prober->ask_early(kEverybody), 0U);
  EXPECT_EQ(prober->asking(), 1U);
  pass(200ms);
  ASSERT_EQ(count("a"), 1U) << "a time-out";
  EXPECT_EQ(prober->ask_early(kEverybody), 1U);
}

TEST_F(ProberTest, OnlyThoseThatAreMeantAreAskedEarly) {
  prober->set_targets({refusing("a"), refusing("b"), refusing("c")});
  pass(3ms);  // their first turns are spread over so long
  ASSERT_EQ(outcomes.size(), 3U);
  pass(300ms);
  EXPECT_EQ(prober->ask_early([](const Target& target) { return target.backend == "b"; }), 1U);
  pass(0ms);
  EXPECT_EQ(count("a"), 1U);
  EXPECT_EQ(count("b"), 2U);
  EXPECT_EQ(count("c"), 1U);
}

TEST_F(ProberTest, SecondTargetOfTheSameNameIsLeftOut) {
  prober->set_targets({refusing("a"), hanging("a")});
  EXPECT_EQ(prober->targets(), 1U);
  pass(2ms);
  EXPECT_EQ(count("a"), 1U);
}

TEST_F(ProberTest, WhoHearsOfAnOutcomeMayChangeAllTargets) {
  prober->on_outcome([&](const Target& target, const Outcome& outcome) {
    outcomes.emplace_back(target.backend, outcome);
    prober->set_targets({refusing("c")});
    outcomes.emplace_back(target.backend, outcome);  // the target given is still whole
  });
  prober->set_targets({refusing("a"), refusing("b")});
  pass(2ms);
  EXPECT_EQ(outcomes.size(), 2U);  // of one of the two; the other was gone
  pass(1ms);
  EXPECT_EQ(count("c"), 2U);
}

TEST_F(ProberTest, WhoHearsOfAnOutcomeMayEndTheProber) {
  int calls = 0;
  prober->on_outcome([&](const Target&, const Outcome&) {
    ++calls;
    prober.reset();
  });
  prober->set_targets({refusing("a"), refusing("b")});
  pass(2ms);
  EXPECT_EQ(calls, 1);
}

TEST_F(ProberTest, ProberThatEndsWhileQuestionsAreOpenLeavesNothingInTheLoop) {
  prober->set_targets({hanging("a"), hanging("b"), refusing("c")});
  time += 3ms;
  loop->turn(0ms);
  prober.reset();
  outcomes.clear();
  pass(10s);
  EXPECT_TRUE(outcomes.empty());
  EXPECT_FALSE(loop->turn(0ms));
}

TEST_F(ProberTest, OutcomesOfAThousandAtOnceAreToldTurnByTurnAndNoneIsLost) {
  std::vector<Target> targets;
  for (int i = 0; i < 1000; ++i) {
    targets.push_back(refusing(std::to_string(i)));
    targets.back().check.via = config::Via::kService;  // and no road there: it is answered at once
  }
  prober->set_targets(targets);
  for (int turn = 0; turn < 1000 && outcomes.size() < 1000; ++turn) {
    time += 1ms;
    loop->turn(0ms);
  }
  ASSERT_EQ(outcomes.size(), 1000U);
  outcomes.clear();
  time += 300ms;
  ASSERT_EQ(prober->ask_early(kEverybody), 1000U);
  for (int turn = 0; turn < 1000 && outcomes.size() < 1000; ++turn) {
    const auto before = outcomes.size();
    loop->turn(0ms);
    EXPECT_LE(outcomes.size() - before, Prober::kOutcomesPerTurn);
  }
  EXPECT_EQ(outcomes.size(), 1000U);
}

TEST_F(ProberTest, ThousandBackendsAreAskedWithinTheirIntervalAndNotAtOnce) {
  std::vector<Target> targets;
  for (int i = 0; i < 1000; ++i) targets.push_back(refusing(fmt::format("b{}", i)));
  prober->set_targets(targets);
  std::size_t most = 0;
  for (int ms = 0; ms < 1000; ++ms) {
    const std::size_t before = outcomes.size();
    pass(1ms);
    most = std::max(most, outcomes.size() - before);
  }
  EXPECT_EQ(outcomes.size(), 1000U);
  EXPECT_LT(most, 12U);
}

}  // namespace
}  // namespace sluice::health
