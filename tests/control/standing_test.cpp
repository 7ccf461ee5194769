// SPDX-License-Identifier: Apache-2.0
#include "control/standing.hpp"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

TEST(Rfc3339, IsInUtcToTheSecond) {
  EXPECT_EQ(rfc3339(WallTime(std::chrono::seconds(0))), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(WallTime(std::chrono::milliseconds(1'795'255'199'999))),
            "2026-11-21T09:59:59Z");
}

}  // namespace
}  // namespace sluice::control
