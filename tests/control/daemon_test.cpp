// SPDX-License-Identifier: Apache-2.0
// The daemon's life in a child process: start, signals, stop. Real traffic is in tests/system.
#include "control/daemon.hpp"

#include "base/unique_fd.hpp"
#include "control/operator_state.hpp"
#include "control/sample.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <array>
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
  /// The whole answer of a GET, head and chunks.
  [[nodiscard]] std::string ask(const std::string& path) const {
    const UniqueFd link(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    socket().copy(to.sun_path, sizeof to.sun_path - 1);
    EXPECT_EQ(::connect(link.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    const auto request =
        fmt::format("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
    EXPECT_EQ(::send(link.get(), request.data(), request.size(), MSG_NOSIGNAL), request.size());
    std::string got;
    std::array<char, 65536> some;
    for (ssize_t n = 0; (n = ::recv(link.get(), some.data(), some.size(), 0)) > 0;)
      got.append(some.data(), static_cast<std::size_t>(n));
    return got;
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

// Who waits for READY=1 sends traffic at once: the tables of all pools must be there, however many
// publications they come in.
TEST_F(DaemonTest, IsReadyWhenTheTablesOfAllPoolsArePublished) {
#ifndef SLUICE_SYSTEMD
  GTEST_SKIP() << "built without libsystemd";
#endif
  constexpr unsigned kPools = 24;
  UniqueFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));  // the kernel answers for it
  sockaddr_in listening{};
  listening.sin_family = AF_INET;
  socklen_t size = sizeof listening;
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<sockaddr*>(&listening), size), 0);
  ASSERT_EQ(::getsockname(server.get(), reinterpret_cast<sockaddr*>(&listening), &size), 0);
  ASSERT_EQ(::listen(server.get(), 1024), 0);
  auto configuration = nlohmann::json::parse(sample_text(1, directory));
  configuration["neighbours"][0]["address"] = "127.0.0.0/8";
  auto pool = configuration["pools"][0];
  pool["health"] = {{"type", "tcp"}, {"port", ntohs(listening.sin_port)}, {"interval_ms", 1000}};
  for (unsigned i = 0; i < kPools; ++i) {
    pool["name"] = i == 0 ? "llama" : fmt::format("pool-{}", i);
    pool["backends"][0]["address"] = fmt::format("127.0.1.{}", i + 1);
    configuration["pools"][i] = pool;
  }
  write(configuration.dump());
  const auto path = directory + "/notify";
  UniqueFd told(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(told.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  start();
  ::unsetenv("NOTIFY_SOCKET");
  ASSERT_TRUE(wait_until([&] {
    std::array<char, 256> text{};
    const auto n = ::recv(told.get(), text.data(), text.size(), MSG_DONTWAIT);
    return n > 0 &&
           std::string_view(text.data(), static_cast<std::size_t>(n)).starts_with("READY=1");
  }));
  const auto answer = ask("/api/v1/backends");
  std::size_t with_table = 0;
  for (auto at = answer.find("\"slots\": 65537"); at != std::string::npos;
       at = answer.find("\"slots\": 65537", at + 1))
    ++with_table;
  EXPECT_EQ(with_table, kPools) << answer;
  ::kill(child, SIGTERM);
  EXPECT_EQ(exit_status(), 0);
}

}  // namespace
}  // namespace sluice::control
