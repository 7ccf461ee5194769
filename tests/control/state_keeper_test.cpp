// SPDX-License-Identifier: Apache-2.0
#include "control/state_keeper.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace sluice::control {
namespace {

class StateKeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "state-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    state_.pools["llama"].drained = {"gpu-1"};
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::vector<std::string> told() {
    std::vector<std::string> kinds;
    for (const auto* event : events_.since(1, 100).events) kinds.push_back(event->event);
    return kinds;
  }

  std::string directory_;
  EventLog events_;
  Standing standing_;
  OperatorState state_;
  StateKeeper keeper_{events_, standing_};
};

TEST_F(StateKeeperTest, WhatIsSavedIsLoadedWithoutAWord) {
  keeper_.save(state_, directory_);
  EXPECT_EQ(StateKeeper(events_, standing_).load(directory_), state_);
  EXPECT_TRUE(told().empty());
}

TEST_F(StateKeeperTest, WhatTheDiskHoldsIsNotWrittenAgain) {
  keeper_.save(state_, directory_);
  std::filesystem::remove(directory_ + "/operator.json");
  keeper_.save(state_, directory_);
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/operator.json"));
}

TEST_F(StateKeeperTest, ADamagedFileIsToldOf) {
  { std::ofstream(directory_ + "/operator.json") << "{"; }
  EXPECT_TRUE(keeper_.load(directory_).pools.empty());
  EXPECT_EQ(told(), std::vector<std::string>{"state_not_loaded"});
}

TEST_F(StateKeeperTest, ADirectoryThatCannotBeWrittenIsToldOfOnceAndWhenItCanAgain) {
  const auto file = directory_ + "/file";
  { std::ofstream(file) << "in the way"; }
  keeper_.save(state_, file);
  keeper_.save(state_, file);
  EXPECT_FALSE(standing_.state_problem.empty());
  keeper_.save(state_, directory_);
  EXPECT_TRUE(standing_.state_problem.empty());
  EXPECT_EQ(told(), (std::vector<std::string>{"state_not_saved", "state_saved"}));
}

TEST_F(StateKeeperTest, AFileThatContradictsTheConfigurationIsKeptBeside) {
  keeper_.save(state_, directory_);
  keeper_.put_aside(directory_, {Errc::kConflict, "pool llama", "has two of one address"});
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/operator.json.contradicts"));
  EXPECT_EQ(told(), std::vector<std::string>{"state_not_loaded"});
}

}  // namespace
}  // namespace sluice::control
