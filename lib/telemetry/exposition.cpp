// SPDX-License-Identifier: Apache-2.0
#include "telemetry/exposition.hpp"

#include "base/assert.hpp"

#include <fmt/format.h>

#include <iterator>

namespace sluice::telemetry {
namespace {

void put_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
}

}  // namespace

void Exposition::begin(std::string_view type, std::string_view name, std::string_view help) {
  fmt::format_to(std::back_inserter(text_), "# TYPE {} {}\n# HELP {} ", name, type, name);
  put_escaped(text_, help);
  text_ += '\n';
}

void Exposition::counter(std::string_view name, std::string_view help) {
  begin("counter", name, help);
  name_ = fmt::format("{}_total", name);
}

void Exposition::gauge(std::string_view name, std::string_view help) {
  begin("gauge", name, help);
  name_ = name;
}

void Exposition::histogram(std::string_view name, std::string_view help) {
  begin("histogram", name, help);
  name_ = name;
}

// `bound`: of a bucket, its last label; empty: none.
void Exposition::put_name(std::string_view ending, std::initializer_list<Label> labels,
                          std::string_view bound) {
  text_ += name_;
  text_ += ending;
  char before = '{';
  const auto put = [&](std::string_view key, std::string_view value) {
    text_ += before;
    text_ += key;
    text_ += "=\"";
    put_escaped(text_, value);
    text_ += '"';
    before = ',';
  };
  for (const auto& [key, value] : labels) put(key, value);
  if (!bound.empty()) put("le", bound);
  text_ += before == '{' ? " " : "} ";
}

void Exposition::sample(std::uint64_t value, std::initializer_list<Label> labels) {
  put_name({}, labels);
  fmt::format_to(std::back_inserter(text_), "{}\n", value);
}

void Exposition::sample(double value, std::initializer_list<Label> labels) {
  put_name({}, labels);
  fmt::format_to(std::back_inserter(text_), "{}\n", value);
}

void Exposition::buckets(std::span<const double> bounds, std::span<const std::uint64_t> counts,
                         double sum, std::initializer_list<Label> labels) {
  SLUICE_ASSERT(counts.size() == bounds.size() + 1, "a count for each bucket");
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    so_far += counts[i];
    // A bound keeps its point ("1.0"): the text's canonical form, and one series for ever.
    put_name("_bucket", labels, i < bounds.size() ? fmt::format("{:#}", bounds[i]) : "+Inf");
    fmt::format_to(std::back_inserter(text_), "{}\n", so_far);
  }
  put_name("_count", labels);
  fmt::format_to(std::back_inserter(text_), "{}\n", so_far);
  put_name("_sum", labels);
  fmt::format_to(std::back_inserter(text_), "{}\n", sum);
}

std::string Exposition::finish() {
  text_ += "# EOF\n";
  return std::exchange(text_, {});
}

}  // namespace sluice::telemetry
