// SPDX-License-Identifier: Apache-2.0
#include "health/command_probes.hpp"

#include "rig.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/epoll.h>

#include <array>
#include <csignal>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;
using config::CheckType;
using testing::HasSubstr;
using testing::StartsWith;

Target shell(const std::string& script) {
  Target target = target_of(CheckType::kCommand, kLoopback, 80);
  target.check.command = {"/bin/sh", "-c", script};
  return target;
}

TEST(CommandProbes, ExitStatusIsTheAnswerAndOutputTheDetail) {
  Rig rig;
  const Outcome good = rig.ask(shell("echo well; exit 0"));
  EXPECT_TRUE(good.ok());
  EXPECT_EQ(good.detail, "well");
  EXPECT_EQ(rig.ask(shell("exit 0")).detail, "exit status 0");
  const Outcome bad = rig.ask(shell("echo queue too long >&2; exit 3"));
  EXPECT_EQ(bad.fault, Fault::kCommand);
  EXPECT_EQ(bad.detail, "exit status 3: queue too long");
  const Outcome killed = rig.ask(shell("kill -TERM $$"));
  EXPECT_EQ(killed.fault, Fault::kCommand);
  EXPECT_THAT(killed.detail, StartsWith("ended by signal 15"));
}

TEST(CommandProbes, ProgramThatIsNotThereIsOurOwnFault) {
  Rig rig;
  Target target = shell("");
  target.check.command = {"/nonexistent/probe"};
  const Outcome outcome = rig.ask(target);
  EXPECT_EQ(outcome.fault, Fault::kLocal);
  EXPECT_EQ(outcome.detail, "start /nonexistent/probe: No such file or directory");
}

TEST(CommandProbes, ProgramLearnsWhomToAskAndNothingElse) {
  Rig rig;
  ::setenv("SLUICE_SECRET", "leaked", 1);
  const Outcome outcome = rig.ask(
      shell("echo $SLUICE_POOL $SLUICE_BACKEND $SLUICE_ADDRESS $SLUICE_PORT $SLUICE_SECRET; "
            "cat; ls /proc/self/fd | wc -l"));
  ::unsetenv("SLUICE_SECRET");
  // 0, 1, 2 and the folder that ls reads; input is at its end.
  EXPECT_EQ(outcome.detail, "p b 127.0.0.1 80 4");
}

TEST(CommandProbes, BlockedSignalsOfTheDaemonAreNotInherited) {
  sigset_t before;
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  Rig rig;
  const Outcome outcome = rig.ask(shell("grep SigBlk /proc/self/status"));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(outcome.detail, "SigBlk: 0000000000000000");
}

TEST(CommandProbes, HangingProgramIsKilledWithItsChildren) {
  Rig rig;
  // The end of the pipe is seen when nobody holds it any more: the script and the one it started.
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  Target target = shell(fmt::format("exec 3>/proc/{}/fd/{}; echo x >&3; sleep 1000 & sleep 1000",
                                    ::getpid(), theirs.get()));
  target.check.timeout = 300ms;
  const Outcome outcome = rig.ask(target);
  EXPECT_EQ(outcome.fault, Fault::kTimeout);
  theirs.reset();
  bool ended = false;
  ASSERT_TRUE(rig.loop->add(ours.get(), EPOLLIN, [&](std::uint32_t) {
    std::array<char, 16> ignored;
    if (::read(ours.get(), ignored.data(), ignored.size()) == 0) ended = true;
  }));
  EXPECT_TRUE(rig.wait([&] { return ended; }));
  rig.loop->remove(ours.get());
}

TEST(CommandProbes, ChildThatOutlivesTheProgramIsKilledAndNotWaitedFor) {
  Rig rig;
  Target target = shell("sleep 1000 & echo done");
  const Outcome outcome = rig.ask(target);
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(outcome.detail, "done");
  EXPECT_LT(outcome.took, 10s);
}

TEST(CommandProbes, EndlessOutputIsReadToTheEndAndCut) {
  Rig rig;
  const Outcome outcome = rig.ask(shell("head -c 5000000 /dev/zero | tr '\\0' x; exit 1"));
  EXPECT_EQ(outcome.fault, Fault::kCommand);
  EXPECT_THAT(outcome.detail, StartsWith("exit status 1: xxx"));
  EXPECT_LE(outcome.detail.size(), kLongestDetail);
}

TEST(CommandProbes, ControlBytesInOutputAreReplaced) {
  Rig rig;
  EXPECT_EQ(rig.ask(shell("printf '\\033[2Jbad\\n'; exit 1")).detail, "exit status 1: ?[2Jbad");
}

TEST(CommandProbes, ProgramsThatWereGivenUpAreReaped) {
  auto loop = EventLoop::open().value();
  CommandProbes probes(*loop);
  std::vector<std::unique_ptr<Probe>> asked;
  const Target target = shell("sleep 1000");
  for (int i = 0; i < 5; ++i) {
    asked.push_back(probes.make(target, [](const Finding& f) { ADD_FAILURE() << f.detail; }));
    asked.back()->ask();
  }
  EXPECT_EQ(probes.processes(), 5U);
  asked.clear();
  for (int i = 0; i < 200 && probes.processes() != 0; ++i) loop->turn(100ms);
  EXPECT_EQ(probes.processes(), 0U);
}

TEST(CommandProbes, MoreThanTheMostAtOnceAreNotStarted) {
  auto loop = EventLoop::open().value();
  CommandProbes probes(*loop);
  std::vector<std::unique_ptr<Probe>> asked;
  std::vector<Finding> refused;
  Target target = shell("");
  target.check.command = {"/bin/sleep", "1000"};
  for (std::size_t i = 0; i < CommandProbes::kMostAtOnce + 1; ++i) {
    asked.push_back(probes.make(target, [&](const Finding& f) { refused.push_back(f); }));
    asked.back()->ask();
  }
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].fault, Fault::kLocal);
  EXPECT_EQ(refused[0].detail, "256 programs run already");
  asked.clear();
  for (int i = 0; i < 200 && probes.processes() != 0; ++i) loop->turn(100ms);
  EXPECT_EQ(probes.processes(), 0U);
}

}  // namespace
}  // namespace sluice::health
