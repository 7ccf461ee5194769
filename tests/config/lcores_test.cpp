// SPDX-License-Identifier: Apache-2.0
#include "config/lcores.hpp"

#include "config/configuration.hpp"

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

using List = std::vector<unsigned>;
using Lcores = std::vector<Lcore>;

TEST(ParseLcores, NumbersAndRangesComeOutAscendingEachOnItsOwnCpu) {
  EXPECT_EQ(parse_lcores("0").value(), (Lcores{{0, 0}}));
  EXPECT_EQ(parse_lcores("0-2,6").value(), (Lcores{{0, 0}, {1, 1}, {2, 2}, {6, 6}}));
  EXPECT_EQ(parse_lcores("6,0-1").value(), (Lcores{{0, 0}, {1, 1}, {6, 6}}));
  EXPECT_EQ(parse_lcores("5-5,127").value(), (Lcores{{5, 5}, {127, 127}}));
}

TEST(ParseLcores, AnLcoreRunsOnTheCpuThatIsGiven) {
  EXPECT_EQ(parse_lcores("2@1,0@0,1@0").value(), (Lcores{{0, 0}, {1, 0}, {2, 1}}));
  EXPECT_EQ(parse_lcores("0@900,3").value(), (Lcores{{0, 900}, {3, 3}}));
}

TEST(ParseLcores, AnythingElseIsAFlaw) {
  for (const auto* list :
       {"",      " ",       "a",       "-1",     "1-",    "0,",    ",0",
        "0--1",  "0-1-2",   "0 1",     "0@",     "@0",    "0@1@2", "0-1@2",
        "0@1-2", "(0-1)@2", "0x1",     "128",    "128@0", "0-128", "99999999999999999999",
        "3-0",   "1,1",     "0-3,2-4", "0@1,0@2"})
    EXPECT_FALSE(parse_lcores(list)) << list;
}

TEST(Workers, AreEveryLcoreButTheMainOne) {
  EXPECT_EQ((Dpdk{.lcores = "0-3", .main_lcore = 2, .extra_args = {}}.workers()), (List{0, 1, 3}));
  EXPECT_EQ((Dpdk{.lcores = "0@0,1@0,2@1", .main_lcore = 0, .extra_args = {}}.workers()),
            (List{1, 2}));
  EXPECT_EQ((Dpdk{.lcores = "0@0,1@0,2@1", .main_lcore = 0, .extra_args = {}}.cpus()),
            (List{0, 0, 1}));
  EXPECT_EQ((Dpdk{.lcores = "x", .extra_args = {}}.workers()), List());
}

}  // namespace
}  // namespace sluice::config
