// SPDX-License-Identifier: Apache-2.0
// Services, pools, backends, workers, flows and drops as they are listed.
#include "client/show.hpp"

#include "client/shown.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::client {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

TEST(ShowBackends, NamesOnlyWhatDiffersFromTheFile) {
  json backend{{"pool", "p"},        {"name", "b"},
               {"weight", 50},       {"configured_weight", 50},
               {"operator", "none"}, {"origin", "configuration"}};
  EXPECT_THAT(shown(show_backends, {{"backends", {backend}}}), Not(HasSubstr("NOTE")));
  backend["configured_weight"] = 100;
  backend["operator"] = "drain";
  EXPECT_THAT(shown(show_backends, {{"backends", {backend}}}),
              HasSubstr("drained by operator, weight 100 in the file  "));
}

TEST(ShowLists, EmptyOnesSaySo) {
  EXPECT_EQ(shown(show_services, {{"services", json::array()}}), "no services\n");
  EXPECT_EQ(shown(show_pools, {{"pools", json::array()}}), "no pools\n");
  EXPECT_EQ(shown(show_backends, {{"backends", json::array()}}), "no backends\n");
  EXPECT_EQ(shown(show_workers, {{"workers", json::array()}}), "no workers\n");
  EXPECT_EQ(shown(show_flows, {{"flows", json::array()}}), "no flows\n");
}

TEST(ShowServices, Ipv6AndEveryPortAreWrittenAsUsual) {
  const json answer{
      {"services",
       {{{"address", "2001:db8::10"}, {"port", 0}}, {{"address", "2001:db8::10"}, {"port", 53}}}}};
  EXPECT_THAT(shown(show_services, answer), HasSubstr("[2001:db8::10]:*"));
  EXPECT_THAT(shown(show_services, answer), HasSubstr("[2001:db8::10]:53"));
}

TEST(ShowWorkers, RatiosOfNothingAreNotNumbers) {
  const json answer{
      {"workers",
       {{{"polls", 0}, {"empty_polls", 0}, {"flow_cache", {{"hits", 0}, {"misses", 0}}}}}}};
  EXPECT_THAT(shown(show_workers, answer), Not(HasSubstr("nan")));
}

TEST(ShowDrops, AreSortedAndWithoutZeros) {
  const json answer{{"drops",
                     {{{"reason", "a"}, {"packets", 1}, {"remedy", "x"}},
                      {{"reason", "b"}, {"packets", 0}, {"remedy", "y"}},
                      {{"reason", "c"}, {"packets", 20000}, {"remedy", "z"}}}},
                    {"total", 20001}};
  EXPECT_EQ(
      *show_drops(View(answer), kLook, false),
      "REASON  PACKETS  REMEDY\nc         20.0K  z\na             1  x\n20.0K dropped in all\n");
  EXPECT_EQ(*show_drops(View(answer), kLook, true),
            "REASON  PACKETS  REMEDY\na             1  x\nb             0  y\nc         20.0K  "
            "z\n20.0K dropped in all\n");
  EXPECT_EQ(*show_drops(View(json{{"drops", json::array()}}), kLook, false),
            "nothing was dropped\n");
}

TEST(ShowFlows, FlowOfABackendThatIsGoneShowsItsNumber) {
  const json answer{{"flows",
                     {{{"worker", 1},
                       {"pool", nullptr},
                       {"backend", nullptr},
                       {"number", 7},
                       {"state", "new"},
                       {"idle_s", 4},
                       {"tag", "00c0ffee"}}}},
                    {"looked_at", 8},
                    {"capacity", 64}};
  EXPECT_EQ(shown(show_flows, answer),
            "WORKER  POOL  BACKEND   STATE  IDLE S  HASH TAG\n"
            "     1  gone  number 7  new         4  00c0ffee\n"
            "1 flows, of 8 entries looked at, 64 in all\n");
}

TEST(ShowDrops, AnswersOfTheNodeAreNamedToo) {
  const json answer{{"drops", json::array()},
                    {"answers",
                     {{{"reason", "answered_echo"}, {"packets", 3}},
                      {{"reason", "answered_too_big"}, {"packets", 0}}}}};
  EXPECT_EQ(*show_drops(View(answer), kLook, false),
            "nothing was dropped\nanswered by the node: 3 answered_echo\n");
}

TEST(ShowBackends, WeightInSlowStartIsNoted) {
  const json answer{{"backends", {{{"weight", 100}, {"weight_now", 30}}}}};
  EXPECT_THAT(shown(show_backends, answer), HasSubstr("slow start, weight 30 now"));
}

}  // namespace
}  // namespace sluice::client
