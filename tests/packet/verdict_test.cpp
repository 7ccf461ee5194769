// SPDX-License-Identifier: Apache-2.0
// Every verdict has a name, an outcome and, where something is wrong, a remedy.
#include "packet/verdict.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <string>

namespace sluice {
namespace {

struct Expected {
  Verdict verdict;
  std::string_view name;
  Outcome outcome;
};

// The names are part of the contract: metrics, replay and dashboards carry them.
constexpr std::array<Expected, kVerdicts> kAll{{
    {Verdict::kForward, "forward", Outcome::kForward},
    {Verdict::kHost, "host", Outcome::kHost},
    {Verdict::kAnsweredEcho, "answered_echo", Outcome::kAnswer},
    {Verdict::kAnsweredTooBig, "answered_too_big", Outcome::kAnswer},
    {Verdict::kAnsweredTtlExpired, "answered_ttl_expired", Outcome::kAnswer},
    {Verdict::kAnsweredReset, "answered_reset", Outcome::kAnswer},
    {Verdict::kTruncated, "truncated", Outcome::kDrop},
    {Verdict::kMalformed, "malformed", Outcome::kDrop},
    {Verdict::kMartian, "martian", Outcome::kDrop},
    {Verdict::kBadTcpFlags, "bad_tcp_flags", Outcome::kDrop},
    {Verdict::kBadChecksum, "bad_checksum", Outcome::kDrop},
    {Verdict::kDenied, "denied", Outcome::kDrop},
    {Verdict::kPacketRate, "packet_rate", Outcome::kDrop},
    {Verdict::kBitRate, "bit_rate", Outcome::kDrop},
    {Verdict::kNewFlowRate, "new_flow_rate", Outcome::kDrop},
    {Verdict::kSourceRate, "source_flow_rate", Outcome::kDrop},
    {Verdict::kNoBackend, "no_backend", Outcome::kDrop},
    {Verdict::kBackendFull, "backend_full", Outcome::kDrop},
    {Verdict::kNoNextHop, "no_next_hop", Outcome::kDrop},
    {Verdict::kTtlExpired, "ttl_expired", Outcome::kDrop},
    {Verdict::kTooBig, "too_big", Outcome::kDrop},
    {Verdict::kNoRoom, "no_room", Outcome::kDrop},
    {Verdict::kNoNatPort, "no_nat_port", Outcome::kDrop},
    {Verdict::kNatTableFull, "nat_table_full", Outcome::kDrop},
    {Verdict::kNoNatSession, "no_nat_session", Outcome::kDrop},
    {Verdict::kHandOverFull, "hand_over_full", Outcome::kDrop},
    {Verdict::kTxFull, "tx_full", Outcome::kDrop},
    {Verdict::kNoHostPath, "no_host_path", Outcome::kDrop},
}};

TEST(Verdict, HasTheNameAndOutcomeThatOutsidersKnow) {
  for (std::size_t i = 0; i < kVerdicts; ++i) {
    ASSERT_EQ(static_cast<std::size_t>(kAll[i].verdict), i) << "the list above skips a verdict";
    EXPECT_EQ(text(kAll[i].verdict).name, kAll[i].name);
    EXPECT_EQ(outcome(kAll[i].verdict), kAll[i].outcome) << kAll[i].name;
  }
}

TEST(Verdict, NamesAreWordsAndNoTwoAreEqual) {
  std::set<std::string_view> names;
  for (const auto& v : kAll) {
    const auto word = text(v.verdict).name;
    EXPECT_TRUE(names.insert(word).second) << word;
    EXPECT_FALSE(word.empty());
    EXPECT_TRUE(std::ranges::all_of(word, [](char c) {
      return c == '_' || (c >= 'a' && c <= 'z');
    })) << word;
  }
}

TEST(Verdict, RemedyIsOneSentenceWhereSomethingMayBeWrong) {
  for (const auto& v : kAll) {
    const auto remedy = text(v.verdict).remedy;
    const bool as_wanted = v.outcome == Outcome::kForward || v.outcome == Outcome::kHost ||
                           v.verdict == Verdict::kAnsweredEcho;
    if (as_wanted) {
      EXPECT_EQ(remedy, "") << v.name;
      continue;
    }
    ASSERT_FALSE(remedy.empty()) << v.name;
    EXPECT_TRUE(std::isupper(static_cast<unsigned char>(remedy.front()))) << remedy;
    EXPECT_EQ(remedy.back(), '.') << remedy;
    EXPECT_EQ(remedy.find(". "), std::string_view::npos) << remedy;
    EXPECT_LE(remedy.size(), 200U) << remedy;
  }
}

TEST(Outcome, NamesAreTheWordsOfTheContract) {
  EXPECT_EQ(name(Outcome::kForward), "forward");
  EXPECT_EQ(name(Outcome::kHost), "host");
  EXPECT_EQ(name(Outcome::kAnswer), "answer");
  EXPECT_EQ(name(Outcome::kDrop), "drop");
}

}  // namespace
}  // namespace sluice
