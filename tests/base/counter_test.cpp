// SPDX-License-Identifier: Apache-2.0
// One writer, any number of readers: nothing is lost, and nothing is seen that was not there.
#include "base/counter.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <thread>

namespace sluice {
namespace {

TEST(Counter, StartsAtZeroAndAddsUp) {
  Counter c;
  EXPECT_EQ(c.value(), 0U);
  c.add(3);
  c.add(0);
  c.add(4);
  EXPECT_EQ(c.value(), 7U);
}

TEST(Counter, WrapsAroundAt64Bits) {
  Counter c;
  c.add(std::numeric_limits<std::uint64_t>::max());
  c.add(2);
  EXPECT_EQ(c.value(), 1U);
}

TEST(Counter, ReaderSeesItGrowInWholeStepsWhileTheWriterAdds) {
  constexpr std::uint64_t kStep =
      (std::uint64_t{1} << 32) + 1;  // both halves move: a torn read shows
  constexpr std::uint64_t kAdds = 500'000;
  Counter c;
  std::atomic<bool> reading{false};
  std::jthread writer([&] {
    while (!reading.load(std::memory_order_relaxed)) std::this_thread::yield();
    for (std::uint64_t i = 0; i < kAdds; ++i) c.add(kStep);
  });
  std::uint64_t last = 0;
  std::uint64_t faults = 0;
  while (last != kAdds * kStep) {
    const auto now = c.value();
    faults += static_cast<std::uint64_t>(now < last || now % kStep != 0 || now > kAdds * kStep);
    if (faults != 0) break;
    last = now;
    reading.store(true, std::memory_order_relaxed);
  }
  writer.join();
  EXPECT_EQ(faults, 0U);
  EXPECT_EQ(c.value(), kAdds * kStep);
}

}  // namespace
}  // namespace sluice
