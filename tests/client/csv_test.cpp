// SPDX-License-Identifier: Apache-2.0
#include "client/csv.hpp"

#include "client/run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>

namespace sluice::client {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(Csv, FieldsAreQuotedExactlyWhereTheyHaveToBe) {
  EXPECT_EQ(csv_field("gpu-1"), "gpu-1");
  EXPECT_EQ(csv_field(""), "");
  EXPECT_EQ(csv_field("a,b"), "\"a,b\"");
  EXPECT_EQ(csv_field("say \"no\""), "\"say \"\"no\"\"\"");
  EXPECT_EQ(csv_field("a\nb"), "\"a\nb\"");
}

// Scripts count columns: what stands here may get more at its end, and change in no other way.
TEST(Csv, ColumnsStandWhereTheyAlwaysStood) {
  EXPECT_THAT(csv_title_line(Command::kServices),
              StartsWith("name,address,port,protocol,pool,forwarding,backends_up,backends_total,"
                         "packets,bytes,new_flows"));
  EXPECT_THAT(csv_title_line(Command::kBackends),
              StartsWith("pool,name,address,number,state,operator,origin,weight,weight_now,"
                         "configured_weight,slots,slots_share,weight_share,packets,bytes,new_flows,"
                         "active_flows,next_hop_resolved,next_hop_mac,next_hop_port,"
                         "next_hop_source,next_hop_problem"));
  EXPECT_THAT(csv_title_line(Command::kHealth),
              StartsWith("pool_name,name,state,since_s,operator,checked"));
  EXPECT_THAT(csv_title_line(Command::kEvents), StartsWith("id,at,level,component,event,text"));
  EXPECT_THAT(csv_title_line(Command::kDrops), StartsWith("reason,packets,remedy"));
  EXPECT_THAT(csv_title_line(Command::kDoctor), StartsWith("check,level,what,remedy"));
}

TEST(Csv, EveryListCommandPrintsOneLineForEachItem) {
  ScriptedDaemon daemon;
  play_recorded(daemon);
  for (const auto& [words, items] :
       std::vector<std::pair<std::string, std::size_t>>{{"services", 1},
                                                        {"pools", 1},
                                                        {"backends", 4},
                                                        {"workers", 1},
                                                        {"flows", 2},
                                                        {"drops", 3},
                                                        {"health", 4},
                                                        {"events", 3},
                                                        {"scale show", 1}}) {
    const auto outcome = sluicectl(daemon, words + " --csv");
    EXPECT_EQ(outcome.status, 0) << words << outcome.err;
    const auto lines = lines_of(outcome.out);
    ASSERT_EQ(lines.size(), items + 1) << words << "\n" << outcome.out;
    const auto commas = std::ranges::count(lines[0], ',');
    for (const auto& line : lines) {
      EXPECT_THAT(line, testing::EndsWith("\r")) << words;
      EXPECT_GE(std::ranges::count(line, ','), commas) << words << ": " << line;
    }
  }
}

TEST(Csv, NumbersStandThereWithoutUnits) {
  ScriptedDaemon daemon;
  play_recorded(daemon);
  EXPECT_THAT(sluicectl(daemon, "services --csv").out,
              HasSubstr("chat,203.0.113.10,443,tcp,llama,ipip,3,4,123450,98765432,2000\r\n"));
}

TEST(Csv, WhatAnItemDoesNotHaveIsEmptyAndAListHasSpaces) {
  const auto answer = json::parse(R"({"pools": [{"name": "p", "backends": ["a", "b"]}]})");
  const auto lines = lines_of(csv_of(Command::kPools, View(answer)).value());
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1], "p,,,,,,,,a b\r");
}

TEST(Csv, AnAnswerWithoutTheListIsAnError) {
  const auto answer = json::parse(R"({"other": []})");
  EXPECT_FALSE(csv_of(Command::kPools, View(answer)));
}

TEST(Csv, WhatIsNoListSaysSo) {
  ScriptedDaemon daemon;
  play_recorded(daemon);
  for (const auto* words : {"status --csv", "config show --csv", "events --follow --csv"}) {
    const auto outcome = sluicectl(daemon, words);
    EXPECT_EQ(outcome.status, 2) << words;
    EXPECT_THAT(outcome.err, HasSubstr("--csv: is for lists")) << words;
  }
  EXPECT_EQ(sluicectl(daemon, "pools --csv --json").status, 2);
}

TEST(Csv, ControlCharactersOfADaemonDoNotReachTheTerminal) {
  const auto answer = json::parse(R"({"drops": [{"reason": "a\u001b[2Jb", "packets": 1}]})");
  EXPECT_EQ(csv_of(Command::kDrops, View(answer)).value().find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace sluice::client
