// SPDX-License-Identifier: Apache-2.0
#include "control/load_history.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

namespace sluice::control {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr std::int64_t kStart = 1'790'000'040;  // a full minute

class LoadHistoryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "history-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::filesystem::path file() const { return folder_ / "history" / "llama.series"; }

  /// `seconds` of `rate` requests/s go by in ticks.
  void pass(LoadHistory& history, double seconds, double rate, double tick = 1) {
    for (double gone = 0; gone < seconds - tick / 2; gone += tick) {
      wall_ += std::chrono::duration_cast<LoadHistory::Wall::duration>(
          std::chrono::duration<double>(tick));
      history.add(wall_, tick, rate * tick);
    }
  }

  std::filesystem::path folder_;
  LoadHistory::Wall wall_{std::chrono::seconds(kStart)};
};

TEST_F(LoadHistoryTest, WhatCameIsThereByTheSecondAndByTheMinute) {
  LoadHistory history;
  pass(history, 120, 3);
  pass(history, 120, 9);
  const auto minutes = history.stretch(60, std::nullopt);
  EXPECT_EQ(minutes.from_s, kStart);
  EXPECT_EQ(minutes.requests_per_s, (std::vector<double>{3, 3, 9, 9}));
  EXPECT_FALSE(minutes.next_s.has_value());
  const auto seconds = history.stretch(1, kStart + 118);
  ASSERT_GE(seconds.requests_per_s.size(), 4U);
  EXPECT_EQ(seconds.requests_per_s[1], 3);
  EXPECT_EQ(seconds.requests_per_s[2], 9);
}

TEST_F(LoadHistoryTest, TicksOfAnyLengthLeaveNoHoles) {
  for (const double tick : {0.25, 0.7, 1.3, 2.5, 7.1}) {
    LoadHistory history;
    pass(history, 300, 4, tick);
    const auto seconds = history.stretch(1, std::nullopt);
    ASSERT_GT(seconds.requests_per_s.size(), 280U) << tick;
    for (const double value : seconds.requests_per_s) ASSERT_NEAR(value, 4, 1e-4) << tick;
  }
}

TEST_F(LoadHistoryTest, TimesOfWhichNobodyKnowsAreGaps) {
  LoadHistory history;
  pass(history, 60, 3);
  for (int i = 0; i < 60; ++i) history.add(wall_ += 1s, 1, std::nullopt);
  pass(history, 61, 5);
  const auto minutes = history.stretch(60, std::nullopt);
  ASSERT_EQ(minutes.requests_per_s.size(), 3U);
  EXPECT_TRUE(std::isnan(minutes.requests_per_s[1]));
  EXPECT_EQ(minutes.requests_per_s[2], 5);
}

TEST_F(LoadHistoryTest, ALongHistoryIsToldInStretches) {
  LoadHistory history;
  pass(history, 15'000, 2);
  const auto first = history.stretch(1, std::nullopt);
  ASSERT_EQ(first.requests_per_s.size(), LoadHistory::kMostPoints);
  ASSERT_TRUE(first.next_s.has_value());
  const auto second = history.stretch(1, first.next_s);
  EXPECT_EQ(second.from_s, *first.next_s);
  EXPECT_FALSE(second.next_s.has_value());
  EXPECT_GE(first.requests_per_s.size() + second.requests_per_s.size(), 14'998U);
  for (const auto absurd : {std::int64_t{-1} << 62U, std::int64_t{1} << 62U})
    EXPECT_LE(history.stretch(60, absurd).requests_per_s.size(), LoadHistory::kMostPoints);
}

TEST_F(LoadHistoryTest, AClockThatIsWrongForAMomentPushesNothingOut) {
  LoadHistory history;
  pass(history, 600, 3);
  for (const auto jump : {24h * 365, -24h * 365}) {
    wall_ += jump;
    pass(history, LoadHistory::kSettle / 2, 3);
    wall_ -= jump;
    pass(history, 60, 3);
  }
  const auto minutes = history.stretch(60, std::nullopt);
  EXPECT_EQ(minutes.from_s, kStart);
  for (const double value : minutes.requests_per_s) EXPECT_EQ(value, 3);
}

TEST_F(LoadHistoryTest, AClockThatWasSetBackIsFollowedAndWhatItHadSaidForgotten) {
  LoadHistory history;
  pass(history, 600, 3);
  wall_ -= 300s;
  pass(history, LoadHistory::kSettle + 120, 8);
  const auto minutes = history.stretch(60, std::nullopt);
  EXPECT_EQ(minutes.from_s, kStart);
  EXPECT_EQ(minutes.requests_per_s.front(), 3);
  EXPECT_EQ(minutes.requests_per_s.back(), 8);
  EXPECT_NEAR(static_cast<double>(*history.series().newest()),
              std::chrono::duration<double>(wall_.time_since_epoch()).count(), 2);
}

TEST_F(LoadHistoryTest, ARestartGoesOnAndTheTimeBetweenIsAGap) {
  LoadHistory before;
  pass(before, 300, 3);
  ASSERT_TRUE(before.save(file()));
  LoadHistory after;
  ASSERT_EQ(after.load(file()), "");
  wall_ += 120s;
  pass(after, 121, 6);
  const auto minutes = after.stretch(60, std::nullopt);
  ASSERT_GE(minutes.requests_per_s.size(), 8U);
  EXPECT_EQ(minutes.requests_per_s[3], 3);
  EXPECT_TRUE(std::isnan(minutes.requests_per_s[5]));
  EXPECT_EQ(minutes.requests_per_s[7], 6);
}

TEST_F(LoadHistoryTest, ARestartWithAClockFromLongAgoOrFarAheadKeepsWhatThereIs) {
  LoadHistory before;
  pass(before, 300, 3);
  ASSERT_TRUE(before.save(file()));
  for (const auto wrong : {0s, std::chrono::seconds(4'000'000'000)}) {
    LoadHistory after;
    ASSERT_EQ(after.load(file()), "");
    auto wall = LoadHistory::Wall(wrong);
    for (int i = 0; i < 60; ++i) after.add(wall += 1s, 1, 3);
    EXPECT_EQ(after.stretch(60, kStart).requests_per_s.front(), 3);
    EXPECT_EQ(after.stretch(60, std::nullopt).from_s, kStart);
  }
}

TEST_F(LoadHistoryTest, ADamagedOrForeignFileIsToldKeptBesideAndNotBelieved) {
  LoadHistory good;
  pass(good, 300, 3);
  ASSERT_TRUE(good.save(file()));
  std::string whole;
  {
    std::ifstream in(file(), std::ios::binary);
    whole.assign(std::istreambuf_iterator<char>(in), {});
  }
  auto flipped = whole;
  flipped[whole.size() / 2] = static_cast<char>(flipped[whole.size() / 2] ^ 0x40);
  unsigned aside = 0;
  for (const auto& bytes : {whole.substr(0, whole.size() / 2), flipped, std::string("{}"),
                            std::string(), std::string(LoadHistory::kLongestFile + 1, 'x')}) {
    std::ofstream(file(), std::ios::binary) << bytes;
    LoadHistory history;
    EXPECT_THAT(history.load(file()), HasSubstr(".damaged-" + std::to_string(++aside)));
    EXPECT_FALSE(history.series().newest().has_value());
    EXPECT_FALSE(std::filesystem::exists(file()));
  }
}

TEST_F(LoadHistoryTest, AFileThatCannotBeWrittenIsAnErrorWithItsPlace) {
  std::ofstream(folder_ / "history") << "a file, no folder";
  const auto done = LoadHistory().save(file());
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().text(), HasSubstr("history"));
}

TEST_F(LoadHistoryTest, WhatIsNoCountAndNoTimeChangesNothing) {
  LoadHistory history;
  pass(history, 60, 3);
  const auto before = history.series().newest();
  history.add(wall_ + 1s, 0, 3);
  history.add(wall_ + 1s, std::nan(""), 3);
  history.add(wall_ + 1s, 1, -3);
  history.add(wall_ + 1s, 1, std::nan(""));
  EXPECT_EQ(history.series().newest(), before);
}

// All that may stand in such a folder and is not ours, or is but must stay.
TEST_F(LoadHistoryTest, OnlyHistoriesOfPoolsThatAreNoMoreAreRemoved) {
  namespace fs = std::filesystem;
  LoadHistory history;
  pass(history, 60, 3);
  const auto folder = fs::path(folder_) / "all";
  const auto ours = [&](const std::string& name) { ASSERT_TRUE(history.save(folder / name)); };
  for (const auto* name : {"gone.series", "old-1.B_x.series", "kept.series"}) ours(name);
  ours("gone.series.damaged-1");
  ours("gone.series.Ab12Cd");  // a write that was cut off, perhaps another's
  ours("gone");
  ours("a pool.series");  // no pool is called so
  ours(std::string(65, 'p') + ".series");
  ours(".series");
  ours("../outside.series");
  fs::copy_file(folder / "kept.series", folder / "SERIES.SERIES");
  std::ofstream(folder / "notes.txt") << "mine";
  std::ofstream(folder / "foreign.series") << "t,requests\n0,1\n";
  std::ofstream(folder / "empty.series");
  fs::create_directory(folder / "folder.series");
  fs::create_symlink(folder / "../outside.series", folder / "link.series");
  fs::create_symlink(folder / "nowhere", folder / "dangling.series");
  ASSERT_EQ(::mkfifo((folder / "pipe.series").c_str(), 0600), 0);
  const auto entries = [&] {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder))
      names.insert(entry.path().filename().string());
    return names;
  };
  auto expected = entries();
  std::set<std::string> gone;
  for (const auto& removed : remove_histories(folder, {"kept"})) {
    EXPECT_EQ(removed.problem, "");
    gone.insert(removed.pool);
  }
  EXPECT_EQ(gone, (std::set<std::string>{"gone", "old-1.B_x"}));
  expected.erase("gone.series");
  expected.erase("old-1.B_x.series");
  EXPECT_EQ(entries(), expected);
  EXPECT_TRUE(fs::exists(folder / "../outside.series"));
}

TEST_F(LoadHistoryTest, AFolderThatIsNotThereOrIsNoneHasNothingToRemove) {
  EXPECT_TRUE(remove_histories(folder_ / "none", {}).empty());
  std::ofstream(folder_ / "file") << "x";
  EXPECT_TRUE(remove_histories(folder_ / "file", {}).empty());
}

}  // namespace
}  // namespace sluice::control
