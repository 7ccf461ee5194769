// SPDX-License-Identifier: Apache-2.0
#include "config/codec.hpp"

#include "base/nearest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace sluice::config {
namespace {

// The text of a value that must be text; null and a fault when it is not.
const std::string* text_of(Reader& reader, const Value& value, const Shape& shape) {
  const auto* text = value.as<std::string>();
  if (text == nullptr) wrong_type(reader, value, shape);
  return text;
}

std::string as_written(const Real& real) { return pointer_token(real.text); }

}  // namespace

void not_the_form(Reader& reader, std::string_view text, const Shape& shape) {
  reader.fault(
      fmt::format("{} is not {}", shape.secret ? "what stands here" : quoted(text), shape.form),
      fmt::format("give {}", shape.rule));
}

void Flag::read(Reader& reader, const Value& value, bool& to) const {
  if (const auto* flag = value.as<bool>())
    to = *flag;
  else
    wrong_type(reader, value, shape());
}

std::optional<std::int64_t> Whole::number(Reader& reader, const Value& value) const {
  const auto out_of_range = [&](std::string_view written) {
    reader.fault(fmt::format("{} is out of range", written), "give " + wanted(shape()));
    return std::nullopt;
  };
  if (const auto* n = value.as<std::int64_t>()) {
    if (*n < low || *n > high) return out_of_range(std::to_string(*n));
    return *n;
  }
  if (const auto* real = value.as<Real>()) {
    // The limits of every field are far below 2^53, so that a double within them is exact.
    if (std::trunc(real->value) != real->value) {
      reader.fault(fmt::format("{} is not a whole number", as_written(*real)),
                   "give " + wanted(shape()));
      return std::nullopt;
    }
    if (real->value < static_cast<double>(low) || real->value > static_cast<double>(high))
      return out_of_range(as_written(*real));
    return static_cast<std::int64_t>(real->value);
  }
  wrong_type(reader, value, shape());
  return std::nullopt;
}

void Fractional::read(Reader& reader, const Value& value, double& to) const {
  const auto* n = value.as<std::int64_t>();
  const auto* real = value.as<Real>();
  if (n == nullptr && real == nullptr) return wrong_type(reader, value, shape());
  const double number = n != nullptr ? static_cast<double>(*n) : real->value;
  if (number < low || number > high) {
    reader.fault(
        fmt::format("{} is out of range", n != nullptr ? std::to_string(*n) : as_written(*real)),
        "give " + wanted(shape()));
    return;
  }
  to = number;
}

void Text::read(Reader& reader, const Value& value, std::string& to) const {
  const auto* text = text_of(reader, value, shape());
  if (text == nullptr) return;
  if (text->size() < shortest || text->size() > longest || !accepts(*text))
    return not_the_form(reader, *text, shape());
  to = *text;
}

std::optional<Value> Text::write(const std::string& from) const {
  if (from.empty()) return std::nullopt;
  return Value{from};
}

std::optional<std::size_t> choose(Reader& reader, const Value& value,
                                  const std::vector<std::string_view>& words,
                                  const std::vector<std::string_view>& later) {
  const auto* text = text_of(reader, value, {.kind = Shape::Kind::kText, .words = words});
  if (text == nullptr) return std::nullopt;
  for (std::size_t i = 0; i < words.size(); ++i)
    if (words[i] == *text) return i;
  const bool known = std::ranges::find(later, *text) != later.end();
  reader.fault(
      fmt::format("{} is {}", quoted(*text), known ? "not supported by this version" : "unknown"),
      "use " + one_of(words) + (known ? std::string() : did_you_mean(*text, words)));
  return std::nullopt;
}

const Value::List* items(Reader& reader, const Value& value, const Shape& shape) {
  const auto* list = value.as<Value::List>();
  if (list == nullptr) {
    wrong_type(reader, value, shape);
  } else if (list->size() < shape.shortest) {
    reader.fault(fmt::format("has {} items", list->size()),
                 fmt::format("give at least {}", shape.shortest));
    list = nullptr;
  } else if (shape.longest != 0 && list->size() > shape.longest) {
    reader.fault(fmt::format("has {} items", list->size()),
                 fmt::format("give at most {}", shape.longest));
    list = nullptr;
  }
  return list;
}

}  // namespace sluice::config
