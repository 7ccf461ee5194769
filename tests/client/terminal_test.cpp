// SPDX-License-Identifier: Apache-2.0
// `sluicectl top` on a real pseudo-terminal: it draws, obeys keys and sizes, and gives it back.
#include "client/run.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <chrono>

namespace sluice::client {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{30};

class OnTerminal {
 public:
  explicit OnTerminal(const std::string& socket, const char* term = "xterm-256color") {
    const winsize size{24, 100, 0, 0};
    int end = -1;
    child_ = ::forkpty(&end, nullptr, nullptr, &size);
    if (child_ == 0) {
      ::setenv("TERM", term, 1);
      ::setenv("LC_ALL", "C.UTF-8", 1);
      ::execl(SLUICECTL, "sluicectl", "--socket", socket.c_str(), "top", nullptr);
      ::_exit(127);
    }
    end_ = UniqueFd(end);
  }
  ~OnTerminal() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
  }
  OnTerminal(const OnTerminal&) = delete;
  OnTerminal& operator=(const OnTerminal&) = delete;

  /// Reads on until `text` has come, from where the last one ended.
  bool shows(const std::string& text) {
    const auto until = Clock::now() + kPatience;
    while (Clock::now() < until) {
      if (const auto at = seen_.find(text); at != std::string::npos) {
        seen_.erase(0, at + text.size());
        return true;
      }
      pollfd waited{end_.get(), POLLIN, 0};
      std::array<char, 4096> bytes;
      if (::poll(&waited, 1, 100) != 1) continue;
      const auto n = ::read(end_.get(), bytes.data(), bytes.size());
      if (n <= 0) return false;
      seen_.append(bytes.data(), static_cast<std::size_t>(n));
    }
    return false;
  }
  void type(std::string_view keys) {
    EXPECT_EQ(::write(end_.get(), keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }
  void resize(unsigned short rows, unsigned short columns) {
    const winsize size{rows, columns, 0, 0};
    EXPECT_EQ(::ioctl(end_.get(), TIOCSWINSZ, &size), 0);
  }
  /// Waits for the end; its exit status.
  int end() {
    while (!gone()) (void)shows("\x01 nothing prints this");
    return status_;
  }
  [[nodiscard]] const std::string& rest() const { return seen_; }

 private:
  bool gone() {
    int status = 0;
    if (child_ <= 0) return true;
    if (::waitpid(child_, &status, WNOHANG) != child_) return false;
    child_ = -1;
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return true;
  }
  pid_t child_ = -1;
  int status_ = -1;
  UniqueFd end_;
  std::string seen_;
};

class TerminalTest : public testing::Test {
 protected:
  TerminalTest() { play_recorded(daemon_); }
  ScriptedDaemon daemon_;
};

TEST_F(TerminalTest, KeysChangeViewsAndQEndsItInGoodOrder) {
  OnTerminal top(daemon_.socket());
  EXPECT_TRUE(top.shows("gpu-1"));
  top.type("2");
  EXPECT_TRUE(top.shows("SERVICE"));
  top.type("3");
  EXPECT_TRUE(top.shows("WORKER"));
  top.type("q");
  EXPECT_EQ(top.end(), 0);
}

TEST_F(TerminalTest, AWindowOfAnySizeIsDrawnOn) {
  OnTerminal top(daemon_.socket());
  EXPECT_TRUE(top.shows("gpu-1"));
  for (const auto& [rows, columns] :
       {std::pair<unsigned short, unsigned short>{1, 1}, {3, 20}, {40, 150}})
    top.resize(rows, columns);
  top.type("?");
  EXPECT_TRUE(top.shows("sort by the next column"));
  top.type("q");
  EXPECT_EQ(top.end(), 0);
}

TEST_F(TerminalTest, InterruptEndsIt) {
  OnTerminal top(daemon_.socket());
  EXPECT_TRUE(top.shows("gpu-1"));
  top.type("\x03");
  EXPECT_EQ(top.end(), 0);
}

TEST_F(TerminalTest, ATerminalThatCannotBeDrawnOnIsNamed) {
  OnTerminal top(daemon_.socket(), "no-such-terminal");
  EXPECT_TRUE(top.shows("cannot be drawn on"));
  EXPECT_EQ(top.end(), 1);
}

}  // namespace
}  // namespace sluice::client
