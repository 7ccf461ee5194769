// SPDX-License-Identifier: Apache-2.0
// The form of a log line: for a terminal or a file with the time, for the journal with a priority.
#include "base/log.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sluice {
namespace {

/// Sets or unsets JOURNAL_STREAM for as long as it lives.
class JournalStream {
 public:
  explicit JournalStream(const char* value) {
    if (const char* now = std::getenv(kName)) before_ = now;
    set(value);
  }
  JournalStream(const JournalStream&) = delete;
  JournalStream& operator=(const JournalStream&) = delete;
  ~JournalStream() { set(before_.empty() ? nullptr : before_.c_str()); }

 private:
  static constexpr const char* kName = "JOURNAL_STREAM";
  static void set(const char* value) {
    if (value != nullptr)
      ::setenv(kName, value, 1);
    else
      ::unsetenv(kName);
  }
  std::string before_;
};

std::string written(auto&& act) {
  testing::internal::CaptureStderr();
  act();
  return testing::internal::GetCapturedStderr();
}

TEST(Log, LineHasTimeLevelComponentAndText) {
  const JournalStream none(nullptr);
  auto line = written([] { log("log_test_plain")->info("reload generation={} ok={}", 7, true); });
  constexpr std::string_view kTime = "9999-99-99T99:99:99.999";  // its shape, not its value
  for (std::size_t i = 0; i < std::min(line.size(), kTime.size()); ++i)
    if (line[i] >= '0' && line[i] <= '8') line[i] = '9';
  EXPECT_EQ(line, std::string(kTime) + " info log_test_plain reload generation=7 ok=true\n");
}

TEST(Log, LineForTheJournalHasAPriorityAndNoTime) {
  const JournalStream some("8:12345");
  const auto logger = log("log_test_journal");
  const auto text = written([&] {
    logger->critical("a");
    logger->error("b");
    logger->warn("c");
    logger->info("d");
    logger->debug("e");  // below the level that is written
  });
  EXPECT_EQ(text,
            "<2>critical log_test_journal a\n"
            "<3>error log_test_journal b\n"
            "<4>warning log_test_journal c\n"
            "<6>info log_test_journal d\n");
}

TEST(Log, SameComponentIsTheSameLogger) {
  EXPECT_EQ(log("log_test_once"), log("log_test_once"));
  EXPECT_NE(log("log_test_once"), log("log_test_other"));
}

TEST(Log, FirstUseByManyThreadsAtOnceMakesOneLogger) {
  for (int round = 0; round < 50; ++round) {
    const auto component = "log_test_race_" + std::to_string(round);
    std::array<std::shared_ptr<spdlog::logger>, 4> got;
    {
      std::vector<std::jthread> threads;
      for (auto& each : got) threads.emplace_back([&] { each = log(component); });
    }
    EXPECT_EQ(std::set(got.begin(), got.end()).size(), 1U);
    EXPECT_NE(got[0], nullptr);
  }
}

}  // namespace
}  // namespace sluice
