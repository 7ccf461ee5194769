// SPDX-License-Identifier: Apache-2.0
#include "telemetry/exposition.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>

namespace sluice::telemetry {
namespace {

TEST(Exposition, CountersEndInTotalAndGaugesDoNot) {
  Exposition out;
  out.counter("a", "Counts.");
  out.sample(std::uint64_t{1});
  out.gauge("b", "Measures.");
  out.sample(0.5);
  EXPECT_EQ(out.finish(),
            "# TYPE a counter\n# HELP a Counts.\na_total 1\n# TYPE b gauge\n# HELP b Measures.\nb "
            "0.5\n# EOF\n");
}

TEST(Exposition, LargeCountsStayExact) {
  Exposition out;
  out.counter("a", "");
  out.sample(std::numeric_limits<std::uint64_t>::max());
  EXPECT_NE(out.finish().find("a_total 18446744073709551615\n"), std::string::npos);
}

TEST(Exposition, LabelsAreEscaped) {
  Exposition out;
  out.gauge("a", "");
  out.sample(std::uint64_t{1}, {{"k", "quote\" back\\ line\n"}, {"l", "v"}});
  EXPECT_NE(out.finish().find(R"(a{k="quote\" back\\ line\n",l="v"} 1)"), std::string::npos);
}

TEST(Exposition, BucketsAddUpToTheCount) {
  Exposition out;
  out.histogram("a_seconds", "Takes.");
  constexpr std::array kBounds{0.001, 0.5, 1.0};
  constexpr std::array<std::uint64_t, 4> kCounts{2, 0, 3, 1};
  out.buckets(kBounds, kCounts, 7.25, {{"pool", "p"}});
  EXPECT_EQ(out.finish(),
            "# TYPE a_seconds histogram\n# HELP a_seconds Takes.\n"
            "a_seconds_bucket{pool=\"p\",le=\"0.001\"} 2\n"
            "a_seconds_bucket{pool=\"p\",le=\"0.5\"} 2\n"
            "a_seconds_bucket{pool=\"p\",le=\"1.0\"} 5\n"
            "a_seconds_bucket{pool=\"p\",le=\"+Inf\"} 6\n"
            "a_seconds_count{pool=\"p\"} 6\n"
            "a_seconds_sum{pool=\"p\"} 7.25\n# EOF\n");
}

TEST(Exposition, BucketsWithoutOtherLabelsCarryTheirBoundAlone) {
  Exposition out;
  out.histogram("a", "");
  constexpr std::array<std::uint64_t, 1> kCounts{4};
  out.buckets({}, kCounts, 1.0);
  EXPECT_EQ(out.finish(),
            "# TYPE a histogram\n# HELP a \na_bucket{le=\"+Inf\"} 4\na_count 4\na_sum 1\n# EOF\n");
}

TEST(Exposition, FinishBeginsAnew) {
  Exposition out;
  out.gauge("a", "");
  (void)out.finish();
  EXPECT_EQ(out.finish(), "# EOF\n");
}

}  // namespace
}  // namespace sluice::telemetry
