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
    const Scene scene{*node->model, node->fast_path_, node->standing};
    StatsText text(scene, node->events, filter);
    std::string whole;
    while (text.next(scene, whole)) {
    }
    return Json::parse(whole);
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

// Of a large node: whole whatever pieces it comes in, and no piece has more than so many backends.
TEST_F(ViewStatsTest, PiecesMakeOneAnswerAndEachHasAFewBackends) {
  constexpr unsigned kBackends = 3 * StatsText::kBackendsPerPiece + 1;
  auto configuration = sample(1);
  auto& backends = configuration.pools[0].backends;
  for (unsigned i = 1; i < kBackends; ++i)
    backends.push_back(
        backend(fmt::format("more-{}", i), fmt::format("10.1.{}.{}", i >> 8U, i & 255U)));
  configuration.pools.push_back(configuration.pools[0]);
  configuration.pools[1].name = "other";
  configuration.pools[1].backends.resize(2);
  auto* fast_path = &node->fast_path_;
  node.reset();
  node = std::make_unique<Node>(*fast_path, configuration);
  const auto loop = EventLoop::open().value();
  const auto health = node->health_keeper(*loop);
  const Scene scene{*node->model, node->fast_path_, node->standing, health.get()};
  StatsText text(scene, node->events, {});
  std::string whole;
  for (std::string piece; text.next(scene, piece); piece.clear()) {
    std::size_t names = 0;
    for (auto at = piece.find("\"active_flows\""); at != std::string::npos;
         at = piece.find("\"active_flows\"", at + 1))
      ++names;
    EXPECT_LE(names, StatsText::kBackendsPerPiece);
    whole += piece;
  }
  const auto all = Json::parse(whole);
  EXPECT_EQ(all["backends"].size(), kBackends + 2);
  auto at_once = view_health(scene, "")["pools"];
  ASSERT_EQ(all["health"].size(), at_once.size());
  for (std::size_t p = 0; p < at_once.size(); ++p) {
    EXPECT_EQ(all["health"][p]["name"], at_once[p]["name"]);
    ASSERT_EQ(all["health"][p]["backends"].size(), at_once[p]["backends"].size());
    for (std::size_t b = 0; b < at_once[p]["backends"].size(); ++b)
      EXPECT_EQ(all["health"][p]["backends"][b]["name"], at_once[p]["backends"][b]["name"]);
  }
  EXPECT_EQ(all["backends"], (*view_backends(scene, ""))["backends"]);
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
