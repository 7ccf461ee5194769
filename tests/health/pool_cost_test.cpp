// SPDX-License-Identifier: Apache-2.0
// What a change costs must not depend on how large the pool is: in thousands of backends that fall
// one after the other it would be the square.
#include "health/pool_health.hpp"
#include "health/steps.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;
using test::at;

/// All fall and come back, one by one, by way of panic; each backend looked at, by step.
std::vector<std::uint64_t> flip_all(unsigned backends) {
  auto pool = test::probed_pool_of(backends);
  pool.health->rise = pool.health->fall = 1;
  pool.panic_threshold = 50;
  pool.outlier.emplace();
  PoolHealth health(pool, at(0s));
  std::vector<std::uint64_t> steps;
  const auto answer = [&](const Outcome& outcome) {
    const auto before = health.looked_at();
    for (const auto& backend : pool.backends)
      EXPECT_FALSE(health.probed(backend.name, outcome, at(1s)).empty());
    steps.push_back(health.looked_at() - before);
  };
  answer(test::good());
  EXPECT_EQ(health.state(), State::kUp);
  answer(test::bad());
  EXPECT_EQ(health.state(), State::kDegraded) << "all may answer still";
  EXPECT_TRUE(health.panic());
  const auto before = health.looked_at();
  for (const auto& backend : pool.backends)
    (void)health.wish(backend.name, Wish::kMaintenance, at(2s));
  EXPECT_EQ(health.state(), State::kDown);
  steps.push_back(health.looked_at() - before);
  return steps;
}

TEST(PoolCost, OfAChangeIsThatOfAFewBackendsHoweverManyThereAre) {
  for (const unsigned backends : {10U, 1'000U, 10'000U})
    for (const auto looked_at : flip_all(backends)) {
      EXPECT_LE(looked_at, 3 * backends);
      EXPECT_GE(looked_at, backends) << "it counts";
    }
}

// A backend that goes to and fro where panic begins and ends: it decides over all others each time.
TEST(PoolCost, OfPanicThatComesAndGoesIsNoMore) {
  constexpr unsigned kBackends = 1'000;
  auto pool = test::probed_pool_of(kBackends);
  pool.health->rise = pool.health->fall = 1;
  pool.panic_threshold = 50;
  PoolHealth health(pool, at(0s));
  for (const auto& backend : pool.backends) (void)health.probed(backend.name, test::good(), at(0s));
  for (unsigned i = 0; i < kBackends / 2; ++i)
    (void)health.probed(pool.backends[i].name, test::bad(), at(1s));
  ASSERT_FALSE(health.panic());
  const auto& one = pool.backends.back().name;
  for (int i = 0; i < 10; ++i) {
    const auto before = health.looked_at();
    const auto version = health.table_version();
    (void)health.probed(one, test::bad(), at(100s * (2 * i + 1)));
    EXPECT_TRUE(health.panic());
    for (int good = 0; good < 3 && health.panic(); ++good)
      (void)health.probed(one, test::good(), at(100s * (2 * i + 1) + 10s * good + 10s));
    EXPECT_FALSE(health.panic()) << i;
    EXPECT_LE(health.looked_at() - before, 10U);
    EXPECT_EQ(health.table_version(), version + 2) << "it is the others' table as well";
  }
}

}  // namespace
}  // namespace sluice::health
