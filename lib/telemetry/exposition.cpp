// SPDX-License-Identifier: Apache-2.0
#include "telemetry/exposition.hpp"

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

void Exposition::put_name(std::initializer_list<Label> labels) {
  text_ += name_;
  char before = '{';
  for (const auto& [key, value] : labels) {
    text_ += before;
    text_ += key;
    text_ += "=\"";
    put_escaped(text_, value);
    text_ += '"';
    before = ',';
  }
  text_ += labels.size() == 0 ? " " : "} ";
}

void Exposition::sample(std::uint64_t value, std::initializer_list<Label> labels) {
  put_name(labels);
  fmt::format_to(std::back_inserter(text_), "{}\n", value);
}

void Exposition::sample(double value, std::initializer_list<Label> labels) {
  put_name(labels);
  fmt::format_to(std::back_inserter(text_), "{}\n", value);
}

std::string Exposition::finish() {
  text_ += "# EOF\n";
  return std::exchange(text_, {});
}

}  // namespace sluice::telemetry
