// SPDX-License-Identifier: Apache-2.0
// Whatever a daemon may answer; what each command prints is in show_status_test.cpp,
// show_lists_test.cpp and show_changes_test.cpp.
#include "client/show.hpp"

#include "client/shown.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace sluice::client {
namespace {

using nlohmann::json;

// Any answer in place of any other: nothing crashes, and no control character gets through.
class HostileAnswer : public testing::TestWithParam<std::string> {};

TEST_P(HostileAnswer, IsShownOrRefusedButNeverSteersTheTerminal) {
  const auto hostile = json::parse(GetParam());
  const Flow flow = *parse_flow(split("tcp 198.51.100.7:1 192.0.2.1:80"));
  std::vector<json> answers{hostile, status()};
  for (const auto* list :
       {"services", "pools", "backends", "workers", "flows", "drops", "changes"}) {
    answers.push_back({{list, hostile}});
    answers.push_back({{list, {hostile, hostile}}});
    json full = json::object();
    for (const auto* key : {"name",
                            "address",
                            "port",
                            "protocol",
                            "pool",
                            "forwarding",
                            "backends_up",
                            "backends_total",
                            "packets",
                            "bytes",
                            "new_flows",
                            "policy",
                            "affinity",
                            "table_size",
                            "backends",
                            "number",
                            "weight",
                            "configured_weight",
                            "state",
                            "operator",
                            "origin",
                            "next_hop",
                            "slots",
                            "slots_share",
                            "weight_share",
                            "id",
                            "lcore",
                            "queues",
                            "polls",
                            "empty_polls",
                            "packets_per_burst",
                            "busy_ratio",
                            "cycles_per_packet",
                            "flow_cache",
                            "reason",
                            "remedy",
                            "path",
                            "before",
                            "after",
                            "reloadable"})
      full[key] = hostile;
    answers.push_back({{list, {full}}});
  }
  for (const auto* key :
       {"node", "configuration", "state", "books", "ports", "backends", "generation_age_s"}) {
    auto changed = status();
    changed[key] = hostile;
    answers.push_back(changed);
    changed[key] = json::array(
        {hostile, {{"name", hostile}, {"xdp", {{"mode", hostile}, {"counters", hostile}}}}});
    answers.push_back(changed);
  }
  for (const auto* key : {"generation", "moved", "verdict", "slot", "next_hop", "backend", "why"}) {
    json changed{{"generation", 7},
                 {"changes", {1}},
                 {"moved", {{"slots", 1}, {"least", 1}, {"of", 2}}},
                 {"verdict", "host"}};
    changed[key] = hostile;
    answers.push_back(changed);
  }
  for (const auto& answer : answers) {
    std::vector<Result<std::string>> texts;
    for (const Show show : {show_status, show_services, show_pools, show_backends, show_workers,
                            show_changes, show_outcome})
      texts.push_back(show(View(answer), kLook));
    texts.push_back(show_drops(View(answer), kLook, true));
    texts.push_back(show_drops(View(answer), kLook, false));
    texts.push_back(show_trace(View(answer), kLook, flow));
    texts.emplace_back(show_event(View(answer), kLook));
    for (const auto& text : texts) {
      const auto& printed = text ? *text : text.error().message;
      EXPECT_LT(printed.size(), 100'000U);
      for (const char c : printed)
        ASSERT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << answer.dump();
      ASSERT_EQ(printed.find('\x7f'), std::string::npos);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, HostileAnswer,
    testing::Values("null", "true", "[]", "{}", "-1", "1e308", "18446744073709551615", "\"\"",
                    R"("\u001b]0;owned\u0007\u001b[2J\u0000\r\n\u007f\u009b31m\u202e")",
                    R"([[[[1]]]])", R"({"\u001b[2J": "\u001b[2J", "mac": null, "resolved": true})",
                    "\"" + std::string(100'000, 'x') + "\""));

}  // namespace
}  // namespace sluice::client
