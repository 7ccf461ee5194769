// SPDX-License-Identifier: Apache-2.0
#include "control/view_stats.hpp"

#include "control/node.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::control {
namespace {

class ViewStatsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    auto* fast_path = Node::fast_path(why);
    if (fast_path == nullptr) GTEST_SKIP() << why;
    node = std::make_unique<Node>(*fast_path, sample(4));
  }
  [[nodiscard]] Json stats(const StatsFilter& filter = {}) const {
    return view_stats({*node->model, node->fast_path_, node->standing}, node->events, filter);
  }
  [[nodiscard]] Json asked(const std::string& path) const {
    return Json::parse(node->ask("GET", path).body);
  }

  std::unique_ptr<Node> node;
};

TEST_F(ViewStatsTest, HasThePartsAsTheirOwnPathsAnswerThem) {
  const auto all = stats();
  for (const auto* part : {"services", "pools", "backends", "workers"})
    EXPECT_EQ(all[part].size(), asked(std::string("/api/v1/") + part)[part].size()) << part;
  EXPECT_EQ(all["backends"], asked("/api/v1/backends")["backends"]);
  EXPECT_EQ(all["drops"], asked("/api/v1/drops"));
  EXPECT_EQ(all["events"], asked("/api/v1/events"));
  EXPECT_EQ(all["status"]["node"], asked("/api/v1/status")["node"]);
  EXPECT_EQ(all["traffic"]["rx_packets"], all["status"]["books"]["rx"]);
  EXPECT_TRUE(all["scale"].empty()) << "nobody scales this node";
}

TEST_F(ViewStatsTest, BackendsAreThoseOfThePoolsThatAreAskedFor) {
  EXPECT_EQ(stats({.pools = {{"llama"}}, .since = {}})["backends"].size(), 4U);
  const auto none = stats({.pools = {{"", "gone"}}, .since = {}});
  EXPECT_TRUE(none["backends"].empty());
  EXPECT_EQ(none["pools"].size(), 1U) << "which there are is told all the same";
}

TEST_F(ViewStatsTest, EventsAreTheLastOrThoseSinceOne) {
  for (int i = 0; i < 60; ++i) node->events.add(Level::kInfo, "test", "happened", "again");
  const auto last = stats()["events"];
  EXPECT_EQ(last["events"].size(), StatsFilter::kLastEvents);
  EXPECT_EQ(last["events"][0]["id"], 11);
  EXPECT_EQ(last["next"], 61);
  EXPECT_EQ(stats({.pools = {}, .since = 60})["events"]["events"].size(), 1U);
  EXPECT_TRUE(stats({.pools = {}, .since = 61})["events"]["events"].empty());
}

TEST_F(ViewStatsTest, ItsClockGoesOnlyForward) {
  const double before = stats()["clock_s"];
  EXPECT_GE(stats()["clock_s"].get<double>(), before);
}

}  // namespace
}  // namespace sluice::control
