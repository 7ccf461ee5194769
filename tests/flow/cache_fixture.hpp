// SPDX-License-Identifier: Apache-2.0
// A small flow cache, and flows whose lines and tags the test chooses.
//
// Threads: one.
#pragma once

#include "flow/cache.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace sluice::flow {

inline constexpr Tick kTimeout = 100;

/// The hash of the line's flow of this number, which its tag is made of.
constexpr std::uint64_t hash_of(std::uint32_t number, std::uint64_t line = 0) {
  return std::uint64_t{number} << 33 | line;
}

struct FlowCache : testing::Test {
  Found find(std::uint64_t hash, Tick now = 0) const { return cache.find(hash, now, kTimeout); }

  void assign(std::uint64_t hash, BackendNumber backend, Tick now, bool established = false) {
    cache.assign(hash, find(hash, now), backend, now, kTimeout, established);
  }

  void touch(std::uint64_t hash, Tick now, bool closing = false) {
    cache.touch(hash, find(hash, now), now, closing);
  }

  /// A kClosing flow whose FIN came at `now`.
  void close(std::uint64_t hash, BackendNumber backend, Tick now) {
    assign(hash, backend, now);
    touch(hash, now, /*closing=*/true);
  }

  /// Eight established flows of a line's own, after which it has no room.
  void fill(std::uint64_t line, Tick now) {
    for (std::uint32_t i = 0; i < kFlowsInLine; ++i) assign(hash_of(1000 + i, line), 1, now, true);
  }

  std::vector<Line> lines = std::vector<Line>(4);
  Cache cache{lines};
};

}  // namespace sluice::flow
