// SPDX-License-Identifier: Apache-2.0
#include "control/view_scale.hpp"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using Action = ScaleOrder::Action;
using namespace std::chrono_literals;

std::string refused(std::string_view body) {
  const auto order = parse_scale_order(body);
  return order ? "accepted" : order.error().text();
}

TEST(ScaleOrderOf, EachActionIsTaken) {
  const auto set = parse_scale_order(R"({"action": "set", "count": 4, "for_s": 3600})").value();
  EXPECT_EQ(set.action, Action::kSet);
  EXPECT_EQ(set.count, 4U);
  EXPECT_EQ(set.lasts, 3600s);
  EXPECT_EQ(parse_scale_order(R"({"action": "set", "count": 0})").value().lasts, std::nullopt);
  EXPECT_EQ(parse_scale_order(R"({"action": "auto"})").value().action, Action::kAuto);
  EXPECT_EQ(parse_scale_order(R"({"action": "pause"})").value().action, Action::kPause);
  EXPECT_EQ(parse_scale_order(R"({"action": "resume"})").value().action, Action::kResume);
}

TEST(ScaleOrderOf, WhatIsNoneIsRefusedByPlace) {
  EXPECT_EQ(refused(""), "body: is not a JSON object");
  EXPECT_EQ(refused("[1]"), "body: is not a JSON object");
  EXPECT_EQ(refused("{}"), "/action: is none of 'set', 'auto', 'pause' and 'resume'");
  EXPECT_EQ(refused(R"({"action": 3})"), "/action: is none of 'set', 'auto', 'pause' and 'resume'");
  EXPECT_EQ(refused(R"({"action": "set"})"), "/count: is missing");
  EXPECT_EQ(refused(R"({"action": "set", "count": -1})"),
            "/count: is not a whole number from 0 to 65535");
  EXPECT_EQ(refused(R"({"action": "set", "count": 65536})"),
            "/count: is not a whole number from 0 to 65535");
  EXPECT_EQ(refused(R"({"action": "set", "count": 1.5})"),
            "/count: is not a whole number from 0 to 65535");
  EXPECT_EQ(refused(R"({"action": "set", "count": 1, "for_s": 0})"),
            "/for_s: is 0; give at least 1, or leave it away for no end");
  EXPECT_EQ(refused(R"({"action": "set", "count": 1, "for_s": 31622401})"),
            "/for_s: is not a whole number from 0 to 31622400");
  EXPECT_EQ(refused(R"({"action": "pause", "count": 1})"), "/count: is for action 'set' only");
  EXPECT_EQ(refused(R"({"action": "auto", "fors": 1})"),
            "/fors: is not a key that is known here, did you mean 'for_s'?");
  EXPECT_EQ(refused(std::string(5000, ' ')), "body: is longer than 4096 bytes");
}

}  // namespace
}  // namespace sluice::control
