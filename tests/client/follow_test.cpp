// SPDX-License-Identifier: Apache-2.0
#include "client/follow.hpp"

#include "client/run.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <array>
#include <csignal>
#include <thread>

namespace sluice::client {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int kBoundMs = 10'000;

std::string batch(std::uint64_t first, std::uint64_t count, std::uint64_t next,
                  std::uint64_t lost = 0) {
  json events = json::array();
  for (std::uint64_t id = first; id < first + count; ++id)
    events.push_back({{"id", id},
                      {"at", "2026-11-21T10:00:00Z"},
                      {"level", "info"},
                      {"component", "c"},
                      {"event", "e"},
                      {"text", "number " + std::to_string(id) + "."}});
  return json{{"events", events}, {"next", next}, {"lost", lost}}.dump();
}

// `events --follow` in a thread of its own, its output in pipes.
class FollowTest : public testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    interrupt_.reset(::eventfd(0, EFD_CLOEXEC));
    open_pipe(out_read_, out_write_);
    open_pipe(err_read_, err_write_);
  }
  void TearDown() override {
    interrupt();
    if (thread_.joinable()) thread_.join();
  }
  void follow(const std::string& words) {
    auto environment = environment_for(daemon_.socket());
    environment.out = out_write_.get();
    environment.err = err_write_.get();
    environment.interrupt = [this] { return interrupt_.get(); };
    thread_ = std::thread(
        [this, environment, words] { status_ = client::run(split(words), environment); });
  }
  void interrupt() { ::eventfd_write(interrupt_.get(), 1); }
  int status() {
    thread_.join();
    return status_;
  }
  // What comes up to and with `end`; what came until nothing more did, if it never comes.
  static std::string read_until(const UniqueFd& from, const std::string& end) {
    std::string text;
    while (text.find(end) == text.npos) {
      pollfd ready{from.get(), POLLIN, 0};
      std::array<char, 4096> chunk;
      if (::poll(&ready, 1, kBoundMs) != 1) return text + "<nothing more came>";
      const ssize_t n = ::read(from.get(), chunk.data(), chunk.size());
      if (n <= 0) return text + "<end>";
      text.append(chunk.data(), static_cast<std::size_t>(n));
    }
    return text;
  }
  std::string out_until(const std::string& end) { return read_until(out_read_, end); }
  std::string err_until(const std::string& end) { return read_until(err_read_, end); }
  static void open_pipe(UniqueFd& read, UniqueFd& write) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    read.reset(ends[0]);
    write.reset(ends[1]);
  }

  ScriptedDaemon daemon_;
  UniqueFd interrupt_;
  UniqueFd out_read_, out_write_, err_read_, err_write_;
  int status_ = -1;
  std::thread thread_;
};

const std::string kEventsFrom = "GET /api/v1/events?since=";

TEST_F(FollowTest, PrintsTheLastTenThenWaitsAndEndsWithZero) {
  daemon_.script(kEventsFrom + "0", batch(1, 30, 31, 0));
  daemon_.script(kEventsFrom + "31", batch(0, 0, 31));
  daemon_.script(kEventsFrom + "31&wait=30", batch(31, 1, 32));
  daemon_.script(kEventsFrom + "32&wait=30", Reply{.silent = true});
  follow("events --follow");
  const auto out = out_until("number 31.");
  EXPECT_THAT(out, StartsWith("    21  2026-11-21T10:00:00Z  info"));
  ASSERT_TRUE(daemon_.wait_for(4));
  interrupt();
  EXPECT_EQ(status(), 0);
}

TEST_F(FollowTest, TheLastTenAreTheLastOfSeveralAnswers) {
  daemon_.script(kEventsFrom + "0", batch(1, 20, 21, 7));
  daemon_.script(kEventsFrom + "21", batch(21, 3, 24));
  daemon_.script(kEventsFrom + "24", batch(0, 0, 24));
  daemon_.script(kEventsFrom + "24&wait=30", Reply{.silent = true});
  follow("events --follow");
  EXPECT_THAT(out_until("number 23."), StartsWith("    14  "));
  interrupt();
  EXPECT_EQ(status(), 0);
}

TEST_F(FollowTest, StartsWhereItIsTold) {
  daemon_.script(kEventsFrom + "1", batch(15, 15, 30, 14));
  daemon_.script(kEventsFrom + "30&wait=30", Reply{.silent = true});
  follow("events --follow --since 1");
  EXPECT_THAT(out_until("number 29."), HasSubstr("number 15."));
  EXPECT_EQ(err_until("\n"), "sluicectl: 14 events before these are no longer held\n");
  interrupt();
  EXPECT_EQ(status(), 0);
}

TEST_F(FollowTest, PrintsOneJsonObjectALine) {
  daemon_.script(kEventsFrom + "0", batch(1, 2, 3));
  daemon_.script(kEventsFrom + "3", batch(0, 0, 3));
  daemon_.script(kEventsFrom + "3&wait=30", Reply{.silent = true});
  follow("--json events --follow");
  const auto out = out_until("number 2.\"}\n");
  const auto end = out.find('\n');
  EXPECT_EQ(json::parse(out.substr(0, end))["id"], 1);
  EXPECT_EQ(json::parse(out.substr(end + 1))["id"], 2);
  interrupt();
  EXPECT_EQ(status(), 0);
}

TEST_F(FollowTest, WaitsForADaemonThatIsRestartedAndPrintsItsEventsFromTheStart) {
  daemon_.script(kEventsFrom + "0", batch(1, 3, 4));
  daemon_.script(kEventsFrom + "4", batch(0, 0, 4));
  daemon_.script(kEventsFrom + "4&wait=30", Reply{.silent = true});
  follow("events --follow");
  EXPECT_THAT(out_until("number 3."), HasSubstr("number 1."));
  ASSERT_TRUE(daemon_.wait_for(3));
  daemon_.stop(/*leave_socket=*/false);
  EXPECT_THAT(err_until("; trying again\n"), HasSubstr("closed the connection"));
  daemon_.script(kEventsFrom + "0", batch(1, 1, 2));
  daemon_.script(kEventsFrom + "2&wait=30", batch(2, 1, 3));
  daemon_.script(kEventsFrom + "3&wait=30", Reply{.silent = true});
  daemon_.start();
  EXPECT_THAT(err_until("the daemon answers again\n"),
              HasSubstr("was restarted; its events start anew\n"));
  const auto out = out_until("number 2.");
  EXPECT_THAT(out, HasSubstr("number 1."));
  interrupt();
  EXPECT_EQ(status(), 0);
}

TEST_F(FollowTest, CountingFromTheStartAgainIsSeenAlsoOnTheSameSocket) {
  daemon_.script(kEventsFrom + "0", batch(1, 3, 4));
  daemon_.script(kEventsFrom + "0", batch(1, 1, 2));
  daemon_.script(kEventsFrom + "4", batch(0, 0, 4));
  daemon_.script(kEventsFrom + "4&wait=30", batch(0, 0, 2));
  daemon_.script(kEventsFrom + "2&wait=30", Reply{.silent = true});
  follow("events --follow");
  EXPECT_THAT(out_until("number 3."), HasSubstr("number 1."));
  EXPECT_THAT(out_until("number 1."), HasSubstr("number 1."));
  EXPECT_EQ(err_until("\n"), "sluicectl: the daemon was restarted; its events start anew\n");
  interrupt();
  EXPECT_EQ(status(), 0);
}

TEST_F(FollowTest, EventsOfANewLifeAreTakenAsTheyCome) {
  daemon_.script(kEventsFrom + "9", batch(9, 1, 10));
  daemon_.script(kEventsFrom + "10&wait=30", batch(1, 2, 3));
  daemon_.script(kEventsFrom + "3", batch(0, 0, 3));
  daemon_.script(kEventsFrom + "3&wait=30", Reply{.silent = true});
  follow("events --follow --since 9");
  EXPECT_THAT(out_until("number 2."), HasSubstr("number 1."));
  EXPECT_EQ(err_until("\n"), "sluicectl: the daemon was restarted; its events start anew\n");
  interrupt();
  EXPECT_EQ(status(), 0);
}

TEST_F(FollowTest, SinceBeyondTheLastEventFollowsWhatComes) {
  daemon_.script(kEventsFrom + "1000", batch(0, 0, 4));
  daemon_.script(kEventsFrom + "4&wait=30", batch(4, 1, 5));
  daemon_.script(kEventsFrom + "5&wait=30", Reply{.silent = true});
  follow("events --follow --since 1000");
  EXPECT_THAT(out_until("number 4."), StartsWith("     4  "));
  interrupt();
  EXPECT_EQ(status(), 0);
}

TEST_F(FollowTest, ServerErrorsPassOthersDoNot) {
  daemon_.script(kEventsFrom + "0", batch(1, 1, 2));
  daemon_.script(kEventsFrom + "2", batch(0, 0, 2));
  daemon_.script(kEventsFrom + "2&wait=30",
                 Reply{500, R"({"error": {"code": "io", "where": "", "message": "stopping"}})"});
  daemon_.script(kEventsFrom + "2",
                 Reply{404, R"({"error": {"code": "not_found", "where": "", "message": "gone"}})"});
  follow("events --follow");
  EXPECT_EQ(err_until("gone\n"), "sluicectl: stopping; trying again\nsluicectl: gone\n");
  EXPECT_EQ(status(), 1);
}

TEST_F(FollowTest, FirstRequestThatFailsEndsIt) {
  daemon_.stop(/*leave_socket=*/false);
  follow("events --follow");
  EXPECT_EQ(status(), 1);
  EXPECT_THAT(err_until("\n"), HasSubstr("no such socket"));
}

class BrokenEvents : public FollowTest, public testing::WithParamInterface<std::string> {};

TEST_P(BrokenEvents, EndWithAnError) {
  daemon_.script(kEventsFrom + "0", batch(1, 3, 4));
  daemon_.script(kEventsFrom + "4", batch(0, 0, 4));
  daemon_.script(kEventsFrom + "4&wait=30", GetParam());
  follow("events --follow");
  EXPECT_EQ(status(), 1);
  EXPECT_THAT(err_until("\n"), StartsWith("sluicectl: the daemon's "));
}

INSTANTIATE_TEST_SUITE_P(Kinds, BrokenEvents,
                         testing::Values("", "null", "[]", R"({"events": 1, "next": 5})",
                                         R"({"events": []})", R"({"events": [], "next": "5"})",
                                         R"({"events": [{"id": 4}], "next": 4})",
                                         R"({"events": [], "next": -1})"));

TEST_F(FollowTest, EventsOfTheWrongTypeAreShownNotFollowedIntoACrash) {
  daemon_.script(
      kEventsFrom + "0",
      R"({"events": [null, 1, [], {"id": {}, "text": "\u001b[2Jend"}], "next": 5, "lost": "x"})");
  daemon_.script(kEventsFrom + "5", batch(0, 0, 5));
  daemon_.script(kEventsFrom + "5&wait=30", Reply{.silent = true});
  follow("events --follow");
  EXPECT_THAT(out_until("end\n"), HasSubstr("\\x1b[2Jend"));
  interrupt();
  EXPECT_EQ(status(), 0);
}

TEST_F(FollowTest, EndsAtOnceWhenTheReaderLeaves) {
  daemon_.script(kEventsFrom + "0", batch(1, 1, 2));
  daemon_.script(kEventsFrom + "2", batch(0, 0, 2));
  daemon_.script(kEventsFrom + "2&wait=30", Reply{.silent = true});
  follow("events --follow");
  EXPECT_THAT(out_until("number 1."), HasSubstr("number 1."));
  ASSERT_TRUE(daemon_.wait_for(3));
  out_read_.reset();
  EXPECT_EQ(status(), 0);
}

}  // namespace
}  // namespace sluice::client
