// SPDX-License-Identifier: Apache-2.0
// Two rigs that were sent the same: whether all is the same that came out and that is remembered.
//
// Threads: one owner.
#pragma once

#include "dataplane/rig.hpp"
#include "support/dissect.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>
#include <vector>

namespace sluice::test {

inline void expect_same_outcomes(const std::vector<Handled>& a, const std::vector<Handled>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].verdict, b[i].verdict) << i;
    // In words only when they differ: under sanitizers those took a third of the time.
    EXPECT_TRUE(a[i].bytes == b[i].bytes)
        << i << ": " << hex(a[i].bytes) << " and " << hex(b[i].bytes);
    EXPECT_EQ(a[i].service, b[i].service) << i;
    EXPECT_EQ(a[i].backend, b[i].backend) << i;
    EXPECT_EQ(a[i].port, b[i].port) << i;
    EXPECT_EQ(a[i].new_flow, b[i].new_flow) << i;
  }
}

/// The same flows line by line, wherever in it they stand.
inline void expect_same_flows(const flow::Cache& a, const flow::Cache& b) {
  using Flow = std::tuple<std::uint32_t, int, flow::Tick, flow::BackendNumber>;
  const auto flows = [](const flow::Cache& of, std::size_t line) {
    std::array<Flow, flow::kFlowsInLine> all{};
    for (unsigned way = 0; way < flow::kFlowsInLine; ++way) {
      const flow::Sample s = of.sample(line, way);
      const int state = static_cast<int>(s.state);
      all[way] = s.state == flow::State::kFree ? Flow{0, state, 0, 0}
                                               : Flow{s.tag, state, s.tick, s.backend};
    }
    std::ranges::sort(all);
    return all;
  };
  for (std::size_t line = 0; line < a.lines(); ++line)
    ASSERT_EQ(flows(a, line), flows(b, line)) << line;
}

/// The same sessions in the same places, to the byte.
inline void expect_same_sessions(const flow::NatTable& a, const flow::NatTable& b) {
  ASSERT_EQ(a.capacity(), b.capacity());
  for (std::uint32_t n = 0; n < a.capacity(); ++n)  // a macro for each took most of the time
    if (std::memcmp(&a.session(n), &b.session(n), sizeof(flow::NatSession)) != 0)
      FAIL() << "session " << n;
}

/// The same counters, of the caches, of the books and of backends and services below 80.
inline void expect_same_counts(const Rig& a, const Rig& b) {
  const auto same = [](const Counter& x, const Counter& y) { EXPECT_EQ(x.value(), y.value()); };
  for (const auto counter : {&flow::Stats::hits, &flow::Stats::misses, &flow::Stats::inserts,
                             &flow::Stats::evictions_new, &flow::Stats::evictions_closing,
                             &flow::Stats::evictions_established, &flow::Stats::expired})
    same(a.cache_stats().*counter, b.cache_stats().*counter);
  for (const auto counter :
       {&flow::NatStats::opened, &flow::NatStats::expired, &flow::NatStats::evicted,
        &flow::NatStats::reopened, &flow::NatStats::no_port, &flow::NatStats::table_full})
    same(a.nat().stats().*counter, b.nat().stats().*counter);
  EXPECT_EQ(a.books().verdicts, b.books().verdicts);
  using dataplane::BackendSignals;
  using dataplane::Traffic;
  for (unsigned number = 0; number < 80; ++number) {
    for (const auto counter :
         {&BackendSignals::new_flows, &BackendSignals::syn_repeats, &BackendSignals::repeated_syns,
          &BackendSignals::handshakes, &BackendSignals::handshake_us, &BackendSignals::resets,
          &BackendSignals::aborts, &BackendSignals::syn_unanswered, &BackendSignals::responses,
          &BackendSignals::response_us, &BackendSignals::unreachables})
      same(a.signals(number).*counter, b.signals(number).*counter);
    for (const auto counter :
         {&Traffic::packets, &Traffic::bytes, &Traffic::new_flows, &Traffic::unserved}) {
      same(a.counters().by_backend[number].*counter, b.counters().by_backend[number].*counter);
      same(a.counters().by_service[number].*counter, b.counters().by_service[number].*counter);
    }
  }
}

}  // namespace sluice::test
