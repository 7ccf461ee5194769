// SPDX-License-Identifier: Apache-2.0
// The picture of a run: well-formed, bounded, and nothing of it lost between two columns.
#include "plan/plot.hpp"

#include "plan/oracle.hpp"
#include "plan/traces.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::plan {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string plot(const Trace& trace, std::string_view title = "pool llama", unsigned actions = 0) {
  const Arrivals arrivals(trace);
  const auto pool = pool_of(0, 1000);
  const auto need = backends_needed(arrivals, pool);
  auto course = follow(arrivals, pool, need, need);
  for (unsigned i = 0; i < actions; ++i)
    course.actions.push_back(
        {i % static_cast<std::int64_t>(arrivals.seconds()), i % 2 == 0 ? 1 : -1, 1});
  return plot_svg(title, arrivals, pool, need, course);
}

// Tags that open and close as they should, and no ampersand that begins nothing.
bool well_formed(const std::string& text) {
  std::vector<std::string> open;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '&' && text.compare(at, 5, "&amp;") != 0 && text.compare(at, 4, "&lt;") != 0 &&
        text.compare(at, 4, "&gt;") != 0)
      return false;
    if (text[at] != '<') continue;
    const auto end = text.find('>', at);
    if (end == text.npos || text.find('<', at + 1) < end) return false;
    const auto tag = text.substr(at + 1, end - at - 1);
    const auto name = tag.substr(0, tag.find_first_of(" /", 1));
    if (tag.starts_with('/')) {
      if (open.empty() || "/" + open.back() != tag) return false;
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(name);
    }
    at = end;
  }
  return open.empty();
}

TEST(Plot, IsWellFormedAndSpeaksOfAllThatHappened) {
  const auto svg = plot(steady(3, 4000), "pool llama", 10);
  EXPECT_TRUE(well_formed(svg));
  for (const auto* word : {"demand", "capacity", "wait", "backends", "decision", "10 min"})
    EXPECT_THAT(svg, HasSubstr(word));
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(svg, HasSubstr("viewBox"));
}

TEST(Plot, ATitleOfAnyBytesCannotBreakIt) {
  const auto svg = plot(steady(1, 10), "a<b>&\"'\x1b[31m\xff\x01</title><script>");
  EXPECT_TRUE(well_formed(svg));
  EXPECT_THAT(svg, Not(HasSubstr("<script>")));
  EXPECT_EQ(svg.find('\x1b'), svg.npos);
  EXPECT_EQ(svg.find('\xff'), svg.npos);
}

TEST(Plot, FourteenDaysFullOfDecisionsStayUnderFiveHundredKilobytes) {
  std::vector<double> requests;
  for (std::size_t i = 0; i < 120'960; ++i)
    requests.push_back(static_cast<double>(i * 7919 % 2000));
  const auto svg = plot(trace_of(10, requests), "two weeks", 50'000);
  EXPECT_LT(svg.size(), 500'000U);
  EXPECT_TRUE(well_formed(svg));
}

TEST(Plot, ABurstOfOneSecondInTwoWeeksIsSeen) {
  std::vector<double> requests(1'209'600, 1.0);
  const auto without = plot(trace_of(1, requests));
  requests[600'000] = 900;
  EXPECT_THAT(without, Not(HasSubstr(">1000</text>")));
  EXPECT_THAT(plot(trace_of(1, requests)), HasSubstr(">1000</text>"));
}

TEST(Plot, ATraceOfNothingHasAxesAllTheSame) {
  const auto svg = plot(steady(0, 5));
  EXPECT_TRUE(well_formed(svg));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
}

}  // namespace
}  // namespace sluice::plan
