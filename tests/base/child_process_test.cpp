// SPDX-License-Identifier: Apache-2.0
#include "base/child_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/epoll.h>

#include <array>
#include <csignal>
#include <optional>

namespace sluice {
namespace {

using namespace std::chrono_literals;
using How = ChildProcesses::End::How;
using Program = ChildProcesses::Program;

Program shell(const std::string& script) { return {.arguments = {"/bin/sh", "-c", script}}; }

struct ChildRig {
  std::unique_ptr<EventLoop> loop = EventLoop::open().value();
  ChildProcesses children{*loop};

  bool wait(const std::function<bool()>& condition) {
    const auto end = EventLoop::Clock::now() + 20s;
    while (!condition() && EventLoop::Clock::now() < end) loop->turn(100ms);
    return condition();
  }
  ChildProcesses::End run(Program program) {
    std::optional<ChildProcesses::End> end;
    const auto id =
        children.start(std::move(program), [&](ChildProcesses::End e) { end = std::move(e); });
    EXPECT_TRUE(id) << id.error().text();
    EXPECT_TRUE(wait([&] { return end.has_value(); }));
    return end.value_or(ChildProcesses::End{.how = How::kLost});
  }
};

TEST(ChildProcess, TellsStatusOutputAndErrorsApart) {
  ChildRig rig;
  Program program = shell("echo out; echo err >&2; exit 3");
  program.errors_apart = true;
  const auto end = rig.run(program);
  EXPECT_EQ(end.how, How::kExited);
  EXPECT_EQ(end.status, 3);
  EXPECT_EQ(end.output, "out\n");
  EXPECT_EQ(end.errors, "err\n");
  EXPECT_EQ(end.text(), "exit status 3");
  EXPECT_EQ(rig.run(shell("kill -TERM $$")).text(), "ended by signal 15");
}

TEST(ChildProcess, ReadsItsInputOrDoesNot) {
  ChildRig rig;
  Program program = shell("cat");
  program.input = std::string(100'000, 'x');
  program.keep = 200'000;
  EXPECT_EQ(rig.run(program).output, program.input);
  program.arguments = {"/bin/cat", "/dev/stdin"};
  EXPECT_EQ(rig.run(program).output, program.input);
  program.arguments = {"/bin/sh", "-c", "exec <&-; echo unread"};
  EXPECT_EQ(rig.run(program).output, "unread\n");
  EXPECT_EQ(rig.run(shell("cat; echo end")).output, "end\n");
}

TEST(ChildProcess, OutputIsReadToTheEndAndKeptToItsBound) {
  ChildRig rig;
  Program program = shell("head -c 3000000 /dev/zero | tr '\\0' x; echo done >&2");
  program.keep = 1000;
  program.errors_apart = true;
  const auto end = rig.run(program);
  EXPECT_EQ(end.status, 0);
  EXPECT_EQ(end.output, std::string(1000, 'x'));
  EXPECT_TRUE(end.cut);
  EXPECT_EQ(end.errors, "done\n");
  program.arguments = {"/bin/sh", "-c", "head -c 1000 /dev/zero | tr '\\0' x"};
  EXPECT_FALSE(rig.run(program).cut);
}

TEST(ChildProcess, OutOfTimeIsKilledWithItsChildren) {
  ChildRig rig;
  // The end of the pipe is seen when nobody holds it any more: the script and the one it started.
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  Program program =
      shell(fmt::format("exec 3>/proc/{}/fd/{}; echo x >&3; echo said; sleep 1000 & sleep 1000",
                        ::getpid(), theirs.get()));
  program.timeout = 300ms;
  const auto end = rig.run(program);
  EXPECT_EQ(end.how, How::kTimedOut);
  EXPECT_EQ(end.text(), "ran out of time");
  theirs.reset();
  bool ended = false;
  ASSERT_TRUE(rig.loop->add(ours.get(), EPOLLIN, [&](std::uint32_t) {
    std::array<char, 16> ignored;
    if (::read(ours.get(), ignored.data(), ignored.size()) == 0) ended = true;
  }));
  EXPECT_TRUE(rig.wait([&] { return ended && rig.children.processes() == 0; }));
  rig.loop->remove(ours.get());
}

TEST(ChildProcess, ChildThatOutlivesTheProgramIsNotWaitedFor) {
  ChildRig rig;
  EXPECT_EQ(rig.run(shell("sleep 1000 & echo done")).output, "done\n");
}

TEST(ChildProcess, HasNothingOfOurs) {
  ChildRig rig;
  ::setenv("SLUICE_SECRET", "leaked", 1);
  sigset_t before;
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  Program program = shell(
      "echo $GIVEN$SLUICE_SECRET; ls /proc/self/fd | wc -l; "
      "grep SigBlk /proc/self/status");
  program.environment = {"GIVEN=yes"};
  const auto end = rig.run(program);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::unsetenv("SLUICE_SECRET");
  // 0, 1, 2 and the folder that ls reads.
  EXPECT_EQ(end.output, "yes\n4\nSigBlk:\t0000000000000000\n");
}

TEST(ChildProcess, ProgramThatIsNotThereIsNamed) {
  ChildRig rig;
  const auto id = rig.children.start({.arguments = {"/nonexistent/program"}},
                                     [](const ChildProcesses::End&) { FAIL(); });
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().text(), "start /nonexistent/program: No such file or directory");
  EXPECT_FALSE(rig.children.start({}, [](const ChildProcesses::End&) { FAIL(); }));
}

TEST(ChildProcess, GivenUpIsReapedAndNotReported) {
  ChildRig rig;
  for (int i = 0; i < 5; ++i) {
    const auto id =
        rig.children.start(shell("sleep 1000"), [](const ChildProcesses::End&) { FAIL(); });
    ASSERT_TRUE(id);
    rig.children.give_up(*id);
    rig.children.give_up(*id);
  }
  EXPECT_EQ(rig.children.processes(), 5U);
  EXPECT_TRUE(rig.wait([&] { return rig.children.processes() == 0; }));
}

TEST(ChildProcess, MoreThanTheMostAtOnceAreNotStarted) {
  ChildRig rig;
  for (std::size_t i = 0; i < ChildProcesses::kMostAtOnce; ++i)
    ASSERT_TRUE(rig.children.start({.arguments = {"/bin/sleep", "1000"}},
                                   [](const ChildProcesses::End&) { FAIL(); }));
  const auto refused = rig.children.start(shell(""), [](const ChildProcesses::End&) { FAIL(); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kExhausted);
  EXPECT_EQ(refused.error().message, "256 programs run already");
}

TEST(ChildProcess, MayStartAnotherWhenItEnds) {
  ChildRig rig;
  std::string said;
  const auto id = rig.children.start(shell("echo one"), [&](const ChildProcesses::End& first) {
    said += first.output;
    ASSERT_TRUE(rig.children.start(
        shell("echo two"), [&](const ChildProcesses::End& second) { said += second.output; }));
  });
  ASSERT_TRUE(id);
  EXPECT_TRUE(rig.wait([&] { return said == "one\ntwo\n"; }));
}

}  // namespace
}  // namespace sluice
