// SPDX-License-Identifier: Apache-2.0
#include "telemetry/exposition.hpp"

#include "base/assert.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace sluice::telemetry {
namespace {

constexpr std::size_t kLongestNumber = 32;

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

std::string text_of(std::initializer_list<Label> labels) {
  std::string text;
  for (const auto& [key, value] : labels) put_label(text, key, value);
  return text;
}

}  // namespace

void put_label(std::string& labels, std::string_view key, std::string_view value) {
  if (!labels.empty()) labels += ',';
  labels += key;
  labels += "=\"";
  put_escaped(labels, value);
  labels += '"';
}

void Exposition::begin(const Family& family) {
  text_ += fmt::format("# TYPE {} {}\n", family.name, telemetry::name(family.type));
  if (!family.unit.empty()) text_ += fmt::format("# UNIT {} {}\n", family.name, family.unit);
  text_ += fmt::format("# HELP {} ", family.name);
  put_escaped(text_, family.help);
  text_ += '\n';
  name_ = family.name;
  if (family.type == Type::kCounter) name_ += "_total";
}

// `key`, `word`: the last label; none where there is no key.
void Exposition::put_name(std::string_view ending, std::string_view labels, std::string_view key,
                          std::string_view word) {
  text_ += name_;
  text_ += ending;
  if (labels.empty() && key.empty()) {
    text_ += ' ';
    return;
  }
  text_ += '{';
  text_ += labels;
  if (!key.empty()) {
    if (!labels.empty()) text_ += ',';
    text_ += key;
    text_ += "=\"";
    text_ += word;
    text_ += '"';
  }
  text_ += "} ";
}

void Exposition::put_value(std::uint64_t value) {
  std::array<char, kLongestNumber> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size() - 1, value).ptr;
  *end = '\n';
  text_.append(digits.data(), end + 1);
}

void Exposition::put_value(double value) {
  std::array<char, kLongestNumber> digits;
  char* const end = fmt::format_to_n(digits.data(), digits.size() - 1, "{}", value).out;
  *end = '\n';
  text_.append(digits.data(), end + 1);
}

void Exposition::sample(std::uint64_t value, std::initializer_list<Label> labels) {
  row(value, text_of(labels));
}

void Exposition::sample(double value, std::initializer_list<Label> labels) {
  row(value, text_of(labels));
}

void Exposition::row(std::uint64_t value, std::string_view labels, std::string_view key,
                     std::string_view word) {
  put_name({}, labels, key, word);
  put_value(value);
}

void Exposition::row(double value, std::string_view labels) {
  put_name({}, labels);
  put_value(value);
}

void Exposition::buckets(std::span<const double> bounds, std::span<const std::uint64_t> counts,
                         double sum, std::initializer_list<Label> labels) {
  histogram(bounds, counts, sum, text_of(labels));
}

void Exposition::histogram(std::span<const double> bounds, std::span<const std::uint64_t> counts,
                           double sum, std::string_view labels) {
  SLUICE_ASSERT(counts.size() == bounds.size() + 1, "a count for each bucket");
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    so_far += counts[i];
    // A bound keeps its point ("1.0"): the text's canonical form, and one series for ever.
    put_name("_bucket", labels, "le", i < bounds.size() ? fmt::format("{:#}", bounds[i]) : "+Inf");
    put_value(so_far);
  }
  put_name("_count", labels);
  put_value(so_far);
  put_name("_sum", labels);
  put_value(sum);
}

}  // namespace sluice::telemetry
