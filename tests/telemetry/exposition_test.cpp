// SPDX-License-Identifier: Apache-2.0
#include "telemetry/exposition.hpp"

#include <gtest/gtest.h>

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

TEST(Exposition, FinishBeginsAnew) {
  Exposition out;
  out.gauge("a", "");
  (void)out.finish();
  EXPECT_EQ(out.finish(), "# EOF\n");
}

}  // namespace
}  // namespace sluice::telemetry
