// SPDX-License-Identifier: Apache-2.0
// Fleets under random wants and faults: what must hold at each second, and that all is well soon
// after the faults end. Fixed seeds.
#include "actuate/world.hpp"

#include <gtest/gtest.h>

namespace sluice::actuate {
namespace {

using test::Faults;
using test::World;

constexpr int kSeconds = 2000;
constexpr int kSettle = 2500;

/// @return seconds until nothing is left over or missing.
void run(World& world) {
  for (int s = 0; s < kSeconds && !testing::Test::HasFailure(); ++s) {
    if (s % 40 == 0) world.want_at_random();
    world.second();
  }
  world.be_good();
  for (int s = 0; s < kSettle && !testing::Test::HasFailure(); ++s) {
    world.second();
    if (s > 200 && world.trouble().empty()) break;
  }
  EXPECT_EQ(world.trouble(), "");
  EXPECT_GT(world.starts(), 10U);
}

class RandomFleet : public testing::TestWithParam<std::uint32_t> {};

TEST_P(RandomFleet, WithoutFaultsIsWhatIsWanted) {
  World world(test::options_of(8), {}, GetParam());
  run(world);
}

TEST_P(RandomFleet, SurvivesOrdersThatFailHangLieOrAnswerTwice) {
  World world(test::options_of(8), {.fails = 0.15, .hangs = 0.05, .twice = 0.1, .lies = 0.1},
              GetParam());
  run(world);
}

TEST_P(RandomFleet, SurvivesBackendsThatCrashAndFlap) {
  World world(test::options_of(8), {.crashes = 0.0005, .flaps = 0.002}, GetParam());
  run(world);
}

TEST_P(RandomFleet, SurvivesAllFaultsAndRestartsAtOnce) {
  World world(test::options_of(12),
              {.fails = 0.1,
               .hangs = 0.03,
               .twice = 0.05,
               .lies = 0.05,
               .list_fails = 0.2,
               .crashes = 0.0005,
               .flaps = 0.001,
               .restarts = 0.02},
              GetParam());
  world.have_fixed("l4", "llama-l4-1");
  run(world);
}

TEST_P(RandomFleet, OfKnownBackendsSurvivesFaultsAndRestarts) {
  Fleet::Options options = test::options_of(6);
  options.ability = {};
  for (unsigned char i = 1; i <= 6; ++i)
    options.ability.known.push_back({.name = "rack-" + std::to_string(i),
                                     .address = IpAddress::v4({10, 2, 0, i}),
                                     .backend_class = i < 4 ? "" : "l4"});
  options.classes[0].max = 3;
  options.classes[1].max = 3;
  World world(options, {.crashes = 0.0002, .flaps = 0.001, .restarts = 0.02}, GetParam());
  for (int s = 0; s < kSeconds && !HasFailure(); ++s) {
    if (s % 40 == 0)
      world.want(
          {static_cast<unsigned>(s / 40 % 4), (GetParam() + static_cast<unsigned>(s) / 80) % 4});
    world.second();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomFleet, testing::Range(1U, 6U));

}  // namespace
}  // namespace sluice::actuate
