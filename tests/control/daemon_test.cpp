// SPDX-License-Identifier: Apache-2.0
// The daemon's life in a child process: start, signals, stop. Real traffic is in tests/system.
#include "control/daemon.hpp"

#include "control/operator_state.hpp"
#include "control/sample.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace sluice::control {
namespace {

constexpr std::chrono::seconds kBound{30};

class DaemonTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "needs two CPUs, one for a worker";
    std::string pattern = testing::TempDir() + "sluice-daemon-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory = pattern;
    write(sample_text(2, directory));
  }
  void TearDown() override {
    if (child > 0) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
    if (!directory.empty()) std::filesystem::remove_all(directory);
  }
  void write(const std::string& text) { std::ofstream(file()) << text; }
  [[nodiscard]] std::string file() const { return directory + "/sluice.json"; }
  [[nodiscard]] std::string socket() const { return directory + "/admin.sock"; }

  void start() {
    child = ::fork();
    if (child != 0) return;
    auto decoded = config::load(file());
    const auto done = run_daemon(std::move(decoded->configuration), file());
    if (!done) std::fprintf(stderr, "%s\n", done.error().text().c_str());
    std::_Exit(done ? 0 : 1);
  }
  [[nodiscard]] bool wait_until(const std::function<bool()>& condition) const {
    const auto end = std::chrono::steady_clock::now() + kBound;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end || ::waitpid(child, nullptr, WNOHANG) != 0)
        return false;
      std::this_thread::yield();
    }
    return true;
  }
  [[nodiscard]] bool started() const {
    return wait_until([&] { return std::filesystem::exists(directory + "/operator.json"); });
  }
  int exit_status() {
    int status = -1;
    ::waitpid(child, &status, 0);
    child = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  std::string directory;
  pid_t child = -1;
};

TEST_F(DaemonTest, RunsUntilSigtermAndLeavesNoSocket) {
  start();
  ASSERT_TRUE(started());
  EXPECT_TRUE(std::filesystem::exists(socket()));
  ::kill(child, SIGTERM);
  EXPECT_EQ(exit_status(), 0);
  EXPECT_FALSE(std::filesystem::exists(socket()));
}

TEST_F(DaemonTest, ASecondSignalStopsAtOnce) {
  start();
  ASSERT_TRUE(started());
  ::kill(child, SIGTERM);
  ::kill(child, SIGINT);
  EXPECT_EQ(exit_status(), 0);
}

TEST_F(DaemonTest, AFaultyReloadIsSurvived) {
  start();
  ASSERT_TRUE(started());
  write("{ this is no JSON");
  ::kill(child, SIGHUP);
  ::kill(child, SIGTERM);
  EXPECT_EQ(exit_status(), 0);
}

TEST_F(DaemonTest, TheNextStartTakesOverTheSocketOfOneThatWasKilled) {
  start();
  ASSERT_TRUE(started());
  ::kill(child, SIGKILL);
  EXPECT_EQ(exit_status(), 128 + SIGKILL);
  ASSERT_TRUE(std::filesystem::exists(socket()));
  std::filesystem::remove(directory + "/operator.json");
  start();
  ASSERT_TRUE(started());
  ::kill(child, SIGTERM);
  EXPECT_EQ(exit_status(), 0);
}

TEST_F(DaemonTest, ASecondDaemonOfTheSameSocketIsRefusedAndTheFirstGoesOn) {
  start();
  ASSERT_TRUE(started());
  const auto second = ::fork();
  if (second == 0) {
    auto decoded = config::load(file());
    const auto done = run_daemon(std::move(decoded->configuration), file());
    std::_Exit(!done && done.error().code == Errc::kConflict ? 7 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(second, &status, 0), second);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7) << "a conflict";
  EXPECT_TRUE(std::filesystem::exists(socket())) << "the first one's";
  ::kill(child, SIGTERM);
  EXPECT_EQ(exit_status(), 0);
}

TEST_F(DaemonTest, ChangesThatContradictTheFileAreKeptBesideAndTheNodeStarts) {
  OperatorState state;
  state.generation = 5;
  state.pools["llama"].added.push_back(backend("extra", "10.0.1.2"));  // gpu-2 has that address
  ASSERT_TRUE(save_operator_state(state, directory));
  start();
  const auto kept = directory + "/operator.json.contradicts";
  ASSERT_TRUE(wait_until([&] {
    return std::filesystem::exists(kept) && load_operator_state(directory).state.pools.empty();
  }));
  ::kill(child, SIGTERM);
  EXPECT_EQ(exit_status(), 0);
  EXPECT_GT(load_operator_state(directory).state.generation, 5U);
}

}  // namespace
}  // namespace sluice::control
