// SPDX-License-Identifier: Apache-2.0
// Any bytes as a trace, packed or not, and as lines of `plan --step`: what is accepted is within
// its bounds, and what is refused says so in one printable line.
#include "base/assert.hpp"
#include "plan/step.hpp"
#include "plan/trace.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace {

constexpr std::size_t kUnpacked = 1U << 20U;

void expect_printable(const sluice::Error& error) {
  SLUICE_ASSERT(
      !error.message.empty() &&
          std::ranges::none_of(error.text(), [](char c) { return c < 0x20 || c == 0x7f; }),
      "an error is one printable line");
}

void read_trace(std::string_view text) {
  const auto trace = sluice::plan::parse_trace(text, "trace");
  if (!trace) return expect_printable(trace.error());
  SLUICE_ASSERT(trace->step_s >= 1 && trace->requests.size() >= 2 &&
                    trace->seconds() <= sluice::plan::kLongestTrace,
                "a trace has its bounds");
  for (const double requests : trace->requests)
    SLUICE_ASSERT(requests >= 0 && requests <= sluice::plan::kMostRequests, "so have its counts");
}

void step_by_lines(std::string_view lines) {
  sluice::autoscale::Controller::Options options;
  options.autoscale.max = 50;
  options.classes = {{.name = "one", .cold_start_s = 60}};
  sluice::plan::Step step(options);
  while (!lines.empty()) {
    const auto end = std::min(lines.find('\n'), lines.size());
    const auto answer = step.take(lines.substr(0, end));
    if (!answer) return expect_printable(answer.error());
    SLUICE_ASSERT(answer->empty() || (answer->starts_with("{\"desired\":") &&
                                      std::ranges::count(*answer, '\n') == 1),
                  "an answer is one line");
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
}

}  // namespace

// The first byte says what the others are.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  if (bytes[0] == 's') {
    step_by_lines(rest);
  } else if (bytes[0] == 'z') {
    if (const auto text = sluice::plan::unpack_gzip(rest, kUnpacked, "trace"); text) {
      SLUICE_ASSERT(text->size() <= kUnpacked, "what is unpacked is bounded");
      read_trace(*text);
    }
  } else {
    read_trace(rest);
  }
  return 0;
}
