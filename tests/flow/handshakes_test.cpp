// SPDX-License-Identifier: Apache-2.0
// What is measured of handshakes, and what a flood can do to it.
#include "flow/handshakes.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

namespace sluice::flow {
namespace {

constexpr Micros kSecond = 1'000'000;
constexpr BackendNumber kHere = 7;
constexpr std::uint32_t kNumber = 0x12345678;

/// One line, so that all flows compete; flow n has the tag n.
struct OneLine : testing::Test {
  static std::uint64_t flow(std::uint64_t n) { return n << 32; }
  bool begin(unsigned n, Micros now, BackendNumber backend = kHere) {
    return table.begin(flow(n), Awaited::kHandshake, backend, kNumber, now);
  }
  unsigned repeat(unsigned n, Micros now, std::uint32_t number = kNumber) {
    return table.repeat(flow(n), kHere, number, now);
  }
  std::optional<Micros> finish(unsigned n, Micros now, std::uint32_t number = kNumber,
                               BackendNumber backend = kHere) {
    return table.finish(flow(n), Awaited::kHandshake, backend, number, now);
  }
  std::array<HandshakeLine, 1> lines{};
  Handshakes table{lines};
};

TEST_F(OneLine, HandshakeTakesFromItsFirstSynToItsEndAndIsToldOnce) {
  EXPECT_TRUE(begin(1, 100));
  EXPECT_EQ(finish(1, 350), 250U);
  EXPECT_EQ(finish(1, 350), std::nullopt);
}

TEST_F(OneLine, WhatWasNotBegunDoesNotEnd) {
  EXPECT_EQ(finish(1, 350), std::nullopt);
  begin(1, 100);
  EXPECT_EQ(finish(2, 350), std::nullopt);
  EXPECT_EQ(finish(1, 350, kNumber, kHere + 1), std::nullopt) << "another backend's";
  EXPECT_EQ(finish(1, 350, kNumber + 1), std::nullopt) << "acknowledges nothing that was sent";
  EXPECT_EQ(table.finish(flow(1), Awaited::kResponse, kHere, kNumber, 350), std::nullopt);
  EXPECT_EQ(finish(1, 350), 250U);
}

TEST_F(OneLine, ResponseIsAnotherWaitOfTheSameFlow) {
  begin(1, 100);
  EXPECT_TRUE(table.begin(flow(1), Awaited::kResponse, kHere, 0, 200));
  EXPECT_EQ(finish(1, 300), std::nullopt);
  EXPECT_EQ(table.finish(flow(1), Awaited::kResponse, kHere, 99, 300), 100U);
}

TEST_F(OneLine, TimePassesTheClocksEnd) {
  const Micros start = 0U - 100;
  begin(1, start);
  EXPECT_EQ(finish(1, start + 250), 250U);
}

TEST_F(OneLine, TooLongIsNoMeasure) {
  begin(1, 0);
  EXPECT_EQ(finish(1, kLongestWait), kLongestWait);
  begin(2, 0);
  EXPECT_EQ(finish(2, kLongestWait + 1), std::nullopt);
}

TEST_F(OneLine, RepeatsAreCountedAndTheTimeStillBeginsWithTheFirstSyn) {
  begin(1, 0);
  EXPECT_EQ(repeat(1, kSecond), 1U);
  EXPECT_EQ(repeat(1, 3 * kSecond), 2U);
  EXPECT_EQ(repeat(1, 7 * kSecond), 3U);
  EXPECT_EQ(repeat(1, 15 * kSecond), 3U);
  EXPECT_EQ(finish(1, 16 * kSecond), 16 * kSecond);
}

TEST_F(OneLine, ASynThatWasDoubledOnItsWayIsNoRepeat) {
  begin(1, 0);
  EXPECT_EQ(repeat(1, 0), 0U);
  EXPECT_EQ(repeat(1, kLeastRepeat - 1), 0U);
  EXPECT_EQ(repeat(1, kLeastRepeat), 1U);
}

TEST_F(OneLine, ASynWithAnotherNumberIsAnotherAttempt) {
  begin(1, 0);
  EXPECT_EQ(repeat(1, kSecond, kNumber + 1), 0U);
  EXPECT_EQ(repeat(1, 2 * kSecond, kNumber + 1), 1U);
  EXPECT_EQ(finish(1, 2 * kSecond, kNumber + 1), kSecond);
}

TEST_F(OneLine, ASynAfterTheFlowMovedIsTheFirstOfItsNewBackend) {
  begin(1, 0, kHere + 1);
  EXPECT_EQ(repeat(1, kSecond), 0U);
  EXPECT_EQ(repeat(1, 2 * kSecond), 1U);
}

TEST_F(OneLine, RepeatOfAFlowOutsideTheSampleSaysNothing) {
  EXPECT_EQ(repeat(1, kSecond), 0U);
  EXPECT_EQ(repeat(1, 2 * kSecond), 0U);
}

TEST_F(OneLine, NobodyIsPushedOutBeforeItsTimeAndTheOldestGoesThen) {
  for (unsigned n = 0; n < kHandshakesInLine; ++n) ASSERT_TRUE(begin(n, n));
  EXPECT_FALSE(begin(9, kHandshakePatience)) << "all are young enough to be answered";
  EXPECT_TRUE(begin(9, kHandshakePatience + 2)) << "two are not: the oldest of them goes";
  EXPECT_EQ(finish(0, kHandshakePatience + 2), std::nullopt);
  EXPECT_TRUE(finish(1, kHandshakePatience + 2));
  EXPECT_TRUE(begin(10, kHandshakePatience + 2)) << "who is done makes room at once";
}

TEST_F(OneLine, AFlowHasOneEntry) {
  for (unsigned n = 0; n < kHandshakesInLine; ++n) begin(n, 0);
  EXPECT_TRUE(begin(2, 50)) << "its own";
  EXPECT_EQ(finish(2, 60), 10U);
  EXPECT_EQ(finish(2, 60), std::nullopt);
}

// Floods.

/// The entry that a slow loop gives to a flow: its own, a free one, the oldest past its time, none.
unsigned place_of(const HandshakeLine& line, std::uint32_t tag, Micros now) {
  const auto used = [&](unsigned way) { return line.mark[way] >> 14 != 0; };
  for (unsigned way = 0; way < kHandshakesInLine; ++way)
    if (used(way) && line.tag[way] == tag) return way;
  for (unsigned way = 0; way < kHandshakesInLine; ++way)
    if (!used(way)) return way;
  unsigned oldest = kHandshakesInLine;
  Micros age = kHandshakePatience;
  for (unsigned way = 0; way < kHandshakesInLine; ++way)
    if (now - line.since[way] > age) {
      oldest = way;
      age = now - line.since[way];
    }
  return oldest;
}

TEST_F(OneLine, EntriesAreGivenAsASlowLoopGivesThemWhateverTheLineHolds) {
  std::mt19937 random(9);
  std::array<unsigned, kHandshakesInLine + 1> given{};
  for (int round = 0; round < 50'000; ++round) {
    const auto now = static_cast<Micros>(random());
    for (unsigned way = 0; way < kHandshakesInLine; ++way) {
      lines[0].tag[way] = static_cast<std::uint32_t>(random() % 16);
      lines[0].since[way] =
          static_cast<Micros>(now - random() % (round % 2 == 0 ? 5'000'000 : ~0U));
      lines[0].mark[way] = static_cast<std::uint16_t>(random() | (round % 4 < 3 ? 1U << 14 : 0U));
      lines[0].backend[way] = static_cast<BackendNumber>(random());
    }
    lines[0].closed_until = 0;
    const auto before = lines[0];
    const unsigned tag = static_cast<unsigned>(random() % 16);
    const unsigned way = place_of(before, tag, now);
    ++given[way];
    ASSERT_EQ(begin(tag, now), way != kHandshakesInLine) << round;
    for (unsigned w = 0; w < kHandshakesInLine; ++w) {
      ASSERT_EQ(lines[0].tag[w], w == way ? tag : before.tag[w]) << round;
      ASSERT_EQ(lines[0].since[w], w == way ? now : before.since[w]) << round;
    }
    // What the line has noted of itself by now changes nothing.
    const auto later = static_cast<Micros>(now + random() % 5'000'000);
    const unsigned other = static_cast<unsigned>(random() % 16);
    const unsigned next = place_of(lines[0], other, later);
    ASSERT_EQ(begin(other, later), next != kHandshakesInLine) << round;
    if (next != kHandshakesInLine) {
      ASSERT_EQ(lines[0].tag[next], other) << round;
      ASSERT_EQ(lines[0].since[next], later) << round;
    }
  }
  for (const unsigned times : given) EXPECT_GT(times, 500U);
}

/// Ten seconds of 200,000 forged SYNs a second, which nobody ever answers, and 1,000 clients a
/// second whose handshake takes 30 ms at backend 1 and never comes about at backend 2.
TEST(Flood, LeavesASampleInWhichEveryBackendIsSeenAsItIs) {
  std::vector<HandshakeLine> lines(1024);
  Handshakes table(lines);
  std::mt19937_64 random(1);  // NOLINT(cert-msc51-cpp): a fixed seed, on purpose
  struct Client {
    std::uint64_t hash;
    BackendNumber backend;
    Micros at;
  };
  std::vector<Client> answered;
  std::vector<Client> silent;
  std::size_t next_answer = 0;
  std::size_t next_repeat = 0;
  unsigned measured = 0;
  unsigned repeated = 0;
  for (Micros now = 0; now < 10 * kSecond; now += 5) {
    table.begin(random(), Awaited::kHandshake, static_cast<BackendNumber>(1 + random() % 2),
                static_cast<std::uint32_t>(random()), now);
    if (now % 1000 == 0) {
      const Client c{random(), static_cast<BackendNumber>(1 + random() % 2), now};
      table.begin(c.hash, Awaited::kHandshake, c.backend, kNumber, now);
      (c.backend == 1 ? answered : silent).push_back(c);
    }
    while (next_answer < answered.size() && now - answered[next_answer].at >= 30'000) {
      const auto took =
          table.finish(answered[next_answer++].hash, Awaited::kHandshake, 1, kNumber, now);
      if (!took) continue;
      EXPECT_NEAR(*took, 30'000, 5);
      ++measured;
    }
    while (next_repeat < silent.size() && now - silent[next_repeat].at >= kSecond) {
      const Client& c = silent[next_repeat++];
      repeated += table.repeat(c.hash, c.backend, kNumber, now) == 1;
    }
  }
  // One SYN in 201 is a client's, and the table is filled three times in these ten seconds.
  EXPECT_GT(measured, 10U) << "a flood blinds nobody";
  EXPECT_GT(repeated, 10U);
  EXPECT_LT(measured + repeated, 3 * table.capacity() / 50) << "the flood has its share, too";
}

}  // namespace
}  // namespace sluice::flow
