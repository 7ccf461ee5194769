// SPDX-License-Identifier: Apache-2.0
#include "control/load_figures.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace sluice::control {
namespace {

using testing::ElementsAre;

ToldLoad inside(double requests, std::uint32_t weight = 100, double room = 0) {
  return {.inside = requests, .room = room, .weight = weight};
}
ToldLoad header(double load, std::uint32_t weight = 100) {
  return {.header = load, .weight = weight};
}
ToldLoad silent(std::uint32_t weight = 100, double room = 0) {
  return {.room = room, .weight = weight};
}
using Pool = std::vector<ToldLoad>;

bool moves(const Pool& from, const Pool& to) {
  return differs_enough(load_figures(from), load_figures(to), to);
}

TEST(LoadFigures, WithoutClassesRequestsCountForTheirWeight) {
  // Compared by load / weight: the second is half as busy.
  EXPECT_THAT(load_figures(Pool{inside(4, 100), inside(4, 200)}), ElementsAre(4000U, 4000U));
}

TEST(LoadFigures, WithClassesHowFullABackendIsCountsWhateverItsWeight) {
  const auto figures = load_figures(Pool{inside(5, 100, 10), inside(10, 300, 20)});
  EXPECT_EQ(figures[0] / 100, figures[1] / 300);
  EXPECT_EQ(figures[0] / 100, 500U);
}

TEST(LoadFigures, OneBackendWithoutAClassMakesRequestsTheUnitOfAll) {
  EXPECT_THAT(load_figures(Pool{inside(5, 100, 10), inside(5, 100)}), ElementsAre(5000U, 5000U));
}

TEST(LoadFigures, WhoIsSilentIsAsBusyAsTheBusiestForItsWeight) {
  EXPECT_THAT(load_figures(Pool{inside(4), inside(9), silent(), silent(200)}),
              ElementsAre(4000U, 9000U, 9000U, 18000U));
  EXPECT_THAT(load_figures(Pool{header(4), header(9), silent()}), ElementsAre(4000U, 9000U, 9000U));
  const auto rooms = load_figures(Pool{inside(5, 100, 10), silent(50, 40)});
  EXPECT_EQ(rooms[0] / 100, rooms[1] / 50);
}

TEST(LoadFigures, MetricsComeBeforeHeadersForTheWholePool) {
  auto both = inside(3);
  both.header = 0.9;
  EXPECT_THAT(load_figures(Pool{both, header(0.1)}), ElementsAre(3000U, 3000U));
  EXPECT_THAT(load_figures(Pool{header(0.9), header(0.1)}), ElementsAre(900U, 100U));
}

TEST(LoadFigures, WhenNobodyTellsAllAreEqual) {
  EXPECT_THAT(load_figures(Pool{silent(), silent(300)}), ElementsAre(0U, 0U));
  EXPECT_TRUE(load_figures({}).empty());
}

TEST(LoadFigures, LoadBeyondAllBoundsIsTheGreatestThereIs) {
  constexpr auto kMost = std::numeric_limits<std::uint32_t>::max();
  EXPECT_THAT(load_figures(Pool{header(1e9), header(1)}), ElementsAre(kMost, 1000U));
  EXPECT_THAT(load_figures(Pool{inside(1e6, 65535, 1e-9)}), ElementsAre(kMost));
}

TEST(LoadFigures, BackendOfWeightNothingIsNoMeasureOfOthers) {
  EXPECT_THAT(load_figures(Pool{inside(100, 0), inside(1), silent()}),
              ElementsAre(100000U, 1000U, 1000U));
}

TEST(LoadFigures, TablesStayWhileLoadsMoveLittle) {
  EXPECT_FALSE(moves({inside(10), inside(10)}, {inside(11), inside(9)}));
  EXPECT_TRUE(moves({inside(10), inside(10)}, {inside(12), inside(10)}));
  EXPECT_TRUE(moves({inside(0), inside(0)}, {inside(1), inside(0)}));
  EXPECT_FALSE(moves({inside(0), inside(0)}, {inside(0), inside(0)}));
  EXPECT_FALSE(moves({inside(0, 100, 100), inside(0, 100, 100)},
                     {inside(2, 100, 100), inside(0, 100, 100)}));
  EXPECT_TRUE(moves({inside(0, 100, 100), inside(0, 100, 100)},
                    {inside(3, 100, 100), inside(0, 100, 100)}));
  EXPECT_TRUE(moves({header(0.5), header(0.5)}, {header(0.57), header(0.5)}));
  EXPECT_FALSE(moves({header(0.5), header(0.5)}, {header(0.54), header(0.5)}));
}

TEST(LoadFigures, AnotherNumberOfBackendsIsAlwaysAChange) {
  EXPECT_TRUE(moves({inside(1)}, {inside(1), inside(1)}));
}

}  // namespace
}  // namespace sluice::control
