// SPDX-License-Identifier: Apache-2.0
#include "telemetry/exposition.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>

namespace sluice::telemetry {
namespace {

constexpr Family kCounted{"a", Type::kCounter, "", "", "Counts."};
constexpr Family kMeasures{"b", Type::kGauge, "", "k,l", "Measures."};
constexpr Family kTakes{"a_seconds", Type::kHistogram, "seconds", "pool", "Takes."};

std::string whole(Exposition& out) {
  out.end();
  return out.take();
}

TEST(Exposition, CountersEndInTotalAndGaugesDoNot) {
  Exposition out;
  out.begin(kCounted);
  out.sample(std::uint64_t{1});
  out.begin(kMeasures);
  out.sample(0.5);
  EXPECT_EQ(whole(out),
            "# TYPE a counter\n# HELP a Counts.\na_total 1\n# TYPE b gauge\n# HELP b Measures.\nb "
            "0.5\n# EOF\n");
}

TEST(Exposition, LargeCountsStayExact) {
  Exposition out;
  out.begin(kCounted);
  out.sample(std::numeric_limits<std::uint64_t>::max());
  EXPECT_NE(whole(out).find("a_total 18446744073709551615\n"), std::string::npos);
}

TEST(Exposition, LabelsAreEscaped) {
  Exposition out;
  out.begin(kMeasures);
  out.sample(std::uint64_t{1}, {{"k", "quote\" back\\ line\n"}, {"l", "v"}});
  EXPECT_NE(whole(out).find(R"(b{k="quote\" back\\ line\n",l="v"} 1)"), std::string::npos);
}

TEST(Exposition, BucketsAddUpToTheCount) {
  Exposition out;
  out.begin(kTakes);
  constexpr std::array kBounds{0.001, 0.5, 1.0};
  constexpr std::array<std::uint64_t, 4> kCounts{2, 0, 3, 1};
  out.buckets(kBounds, kCounts, 7.25, {{"pool", "p"}});
  EXPECT_EQ(whole(out),
            "# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n# HELP a_seconds Takes.\n"
            "a_seconds_bucket{pool=\"p\",le=\"0.001\"} 2\n"
            "a_seconds_bucket{pool=\"p\",le=\"0.5\"} 2\n"
            "a_seconds_bucket{pool=\"p\",le=\"1.0\"} 5\n"
            "a_seconds_bucket{pool=\"p\",le=\"+Inf\"} 6\n"
            "a_seconds_count{pool=\"p\"} 6\n"
            "a_seconds_sum{pool=\"p\"} 7.25\n# EOF\n");
}

TEST(Exposition, BucketsWithoutOtherLabelsCarryTheirBoundAlone) {
  Exposition out;
  out.begin(kTakes);
  constexpr std::array<std::uint64_t, 1> kCounts{4};
  out.buckets({}, kCounts, 1.0);
  EXPECT_EQ(whole(out),
            "# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n# HELP a_seconds Takes.\n"
            "a_seconds_bucket{le=\"+Inf\"} 4\na_seconds_count 4\na_seconds_sum 1\n# EOF\n");
}

TEST(Exposition, RowsAreSamplesWhoseLabelsAreWrittenOnce) {
  std::string labels;
  put_label(labels, "k", "a\"b");
  put_label(labels, "l", "v");
  Exposition with_rows;
  with_rows.begin(kCounted);
  with_rows.row(std::uint64_t{7}, labels);
  with_rows.row(std::uint64_t{8}, labels, "state", "up");
  with_rows.row(0.25, labels);
  Exposition with_samples;
  with_samples.begin(kCounted);
  with_samples.sample(std::uint64_t{7}, {{"k", "a\"b"}, {"l", "v"}});
  with_samples.sample(std::uint64_t{8}, {{"k", "a\"b"}, {"l", "v"}, {"state", "up"}});
  with_samples.sample(0.25, {{"k", "a\"b"}, {"l", "v"}});
  EXPECT_EQ(whole(with_rows), whole(with_samples));
}

TEST(Exposition, TextTakenInPiecesIsTheWhole) {
  Exposition at_once;
  Exposition in_pieces;
  std::string pieces;
  at_once.begin(kCounted);
  in_pieces.begin(kCounted);
  for (std::uint64_t i = 0; i < 3; ++i) {
    pieces += in_pieces.take();
    EXPECT_EQ(in_pieces.size(), 0U);
    in_pieces.sample(i);
    at_once.sample(i);
  }
  EXPECT_EQ(pieces + whole(in_pieces), whole(at_once));
}

TEST(Exposition, RowsThatOpenMetricsRefusesAreNotSound) {
  EXPECT_TRUE(is_sound(kTakes));
  EXPECT_TRUE(is_sound(kCounted));
  EXPECT_FALSE(is_sound({"a_total", Type::kCounter, "", "", "Counts."}));
  EXPECT_FALSE(is_sound({"a_ms", Type::kGauge, "seconds", "", "Takes."}));
  EXPECT_FALSE(is_sound({"seconds", Type::kGauge, "seconds", "", "Takes."}));
  EXPECT_FALSE(is_sound({"a", Type::kGauge, "", "", ""}));
}

}  // namespace
}  // namespace sluice::telemetry
