// SPDX-License-Identifier: Apache-2.0
// A scrape against the table of metrics, and what a piece of it costs.
#include "control/metrics_text.hpp"

#include "control/load_keeper.hpp"
#include "control/metric_families.hpp"
#include "control/node.hpp"
#include "control/scale_keeper.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <vector>

namespace sluice::control {
namespace {

using telemetry::Family;
using telemetry::Type;

constexpr std::int64_t kBackendsPerPool = 250;

config::Configuration many(unsigned backends) {
  auto configuration = sample(1);
  const auto pattern = configuration.pools[0];
  configuration.pools.clear();
  for (unsigned i = 0; i < backends; ++i) {
    if (i % kBackendsPerPool == 0) {
      configuration.pools.push_back(pattern);
      configuration.pools.back().backends.clear();
      if (i != 0) configuration.pools.back().name = fmt::format("pool-{}", i / kBackendsPerPool);
      configuration.pools.back().health = config::Health{.port = 80};
    }
    configuration.pools.back().backends.push_back(
        backend(fmt::format("gpu-{}", i), fmt::format("10.1.{}.{}", i >> 8U, i & 255U)));
  }
  return configuration;
}

const Family* family_of(std::string_view series) {
  const auto* const exact = std::ranges::find(kFamilies, series, &Family::name);
  if (exact != kFamilies.end() && exact->type == Type::kGauge) return exact;
  for (const std::string_view ending : {"_total", "_bucket", "_count", "_sum"}) {
    if (!series.ends_with(ending)) continue;
    const auto name = series.substr(0, series.size() - ending.size());
    const auto* const found = std::ranges::find(kFamilies, name, &Family::name);
    if (found != kFamilies.end() && (found->type == Type::kCounter) == (ending == "_total") &&
        found->type != Type::kGauge)
      return found;
  }
  return nullptr;
}

// "pool,backend" of {pool="a",backend="b"}, without the bound of a bucket. Names in tests need no
// escaping.
std::string keys_of(std::string_view labels) {
  std::string keys;
  while (!labels.empty()) {
    const auto key = labels.substr(0, labels.find('='));
    if (key != "le") keys += (keys.empty() ? "" : ",") + std::string(key);
    labels.remove_prefix(labels.find('"') + 1);
    labels.remove_prefix(std::min(labels.find('"') + 2, labels.size()));
  }
  return keys;
}

class MetricsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    auto* fast_path = Node::fast_path(why);
    if (fast_path == nullptr) GTEST_SKIP() << why;
    fast_path_ = fast_path;
  }
  void start(unsigned backends) {
    node = std::make_unique<Node>(*fast_path_, many(backends));
    health = node->health_keeper(*loop);
  }
  [[nodiscard]] Scene scene() const {
    return {.model = *node->model,
            .fast_path = node->fast_path_,
            .standing = node->standing,
            .health = health.get()};
  }

  FastPath* fast_path_ = nullptr;
  std::unique_ptr<EventLoop> loop = EventLoop::open().value();
  std::unique_ptr<Node> node;
  std::unique_ptr<HealthKeeper> health;
};

TEST_F(MetricsTest, EverySeriesIsInTheTableWithTheTablesLabels) {
  start(3);
  std::istringstream text(metrics(scene()));
  std::set<std::string> samples;
  std::string line;
  std::string last;
  std::size_t series = 0;
  while (std::getline(text, line)) {
    last = line;
    if (line.starts_with('#')) continue;
    ++series;
    const auto end = line.find_first_of("{ ");
    const auto* const family = family_of(std::string_view(line).substr(0, end));
    ASSERT_NE(family, nullptr) << line;
    const auto close = line.rfind('}');
    const auto labels = line[end] == '{' ? line.substr(end + 1, close - end - 1) : std::string();
    EXPECT_EQ(keys_of(labels), family->labels) << line;
    EXPECT_TRUE(samples.insert(line.substr(0, line.rfind(' '))).second) << "twice: " << line;
  }
  EXPECT_GT(series, 60U);
  EXPECT_EQ(last, "# EOF");
}

TEST_F(MetricsTest, DescriptionsAreThoseOfTheTable) {
  start(1);
  const auto text = metrics(scene());
  for (const auto& family : kFamilies) {
    const auto type = fmt::format("# TYPE {} {}\n", family.name, telemetry::name(family.type));
    if (text.find(type) == std::string::npos) {  // of parts that this node does not have
      EXPECT_EQ(text.find(fmt::format("# TYPE {} ", family.name)), std::string::npos);
      continue;
    }
    EXPECT_NE(text.find(fmt::format("# HELP {} {}\n", family.name, family.help)),
              std::string::npos);
    const auto unit = fmt::format("# UNIT {} {}\n", family.name, family.unit);
    EXPECT_EQ(text.find(unit) != std::string::npos, !family.unit.empty()) << family.name;
  }
}

TEST_F(MetricsTest, PiecesOfTenThousandBackendsAreNoLongerThanThoseOfTen) {
  constexpr std::size_t kLongestRow = 2048;  // a histogram
  for (const unsigned backends : {10U, 10'000U}) {
    start(backends);
    MetricsText text(scene());
    std::size_t pieces = 0;
    std::size_t bytes = 0;
    std::size_t longest = 0;
    std::string piece;
    for (; text.next(piece); piece.clear(), ++pieces) {
      bytes += piece.size();
      // The first has all that does not grow with the backends.
      if (pieces != 0) longest = std::max(longest, piece.size());
    }
    EXPECT_FALSE(text.next(piece)) << "its end is its end";
    EXPECT_LT(longest, MetricsText::kPiece + kLongestRow);
    if (backends != 10'000U) continue;
    EXPECT_GT(pieces, bytes / (2 * MetricsText::kPiece));
    EXPECT_GT(bytes, std::size_t{4} << 20U);
  }
}

TEST_F(MetricsTest, ABackendThatLeavesWhileItIsReadIsToldToTheEnd) {
  start(1000);
  MetricsText text(scene());
  std::string whole;
  ASSERT_TRUE(text.next(whole));
  ASSERT_TRUE(node->model->remove_backend("llama", "gpu-7"));
  node->publisher->reclaim();
  while (text.next(whole)) {
  }
  EXPECT_NE(whole.find(R"(sluice_backend_table_ratio{pool="llama",backend="gpu-7"} 0.0)"),
            std::string::npos);
  EXPECT_EQ(metrics(scene()).find(R"(pool="llama",backend="gpu-7")"), std::string::npos);
}

TEST_F(MetricsTest, SharesOfATableAddUpToOne) {
  start(600);
  std::istringstream text(metrics(scene()));
  std::map<std::string, double> sums;
  for (std::string line; std::getline(text, line);)
    if (line.starts_with("sluice_backend_table_ratio{"))
      sums[line.substr(0, line.find(",backend"))] += std::stod(line.substr(line.rfind(' ')));
  EXPECT_EQ(sums.size(), 3U);
  for (const auto& [pool, sum] : sums) EXPECT_NEAR(sum, 1.0, 1e-9) << pool;
}

TEST(MetricsPage, IsTheOneThatTheTableMakes) {
  std::ifstream file(SLUICE_METRICS_PAGE);
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(page, metrics_page()) << "write it anew: meson compile -C BUILD metrics-reference";
}

}  // namespace
}  // namespace sluice::control
