// SPDX-License-Identifier: Apache-2.0
#include "config/value.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <exception>
#include <limits>
#include <utility>

namespace sluice::config {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLongestQuote = 64;

// "line 3, column 7" of a byte, both counted from 1.
std::string place(std::string_view text, std::size_t byte) {
  const auto before = text.substr(0, std::min(byte == 0 ? 0 : byte - 1, text.size()));
  const auto line = std::ranges::count(before, '\n') + 1;
  const auto start = before.rfind('\n');
  const auto column = before.size() - (start == std::string_view::npos ? 0 : start + 1) + 1;
  return fmt::format("line {}, column {}", line, column);
}

std::string printable(std::string_view text, bool ascii_only) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || (ascii_only && byte >= 0x80))
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  return out;
}

// At most kLongestQuote bytes, never half a UTF-8 character.
std::string shortened(std::string_view text) {
  if (text.size() <= kLongestQuote) return printable(text, false);
  std::size_t end = kLongestQuote;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
  return printable(text.substr(0, end), false) + "...";
}

// Takes the library's events and builds the Value; stops at the first thing it cannot bear.
class Builder : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(std::string_view text) : text_(text) {}

  bool null() override { return add(std::monostate{}); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(std::int64_t{value}); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return add(Real{static_cast<double>(value), std::to_string(value)});
    return add(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t& text) override {
    return add(Real{value, text});
  }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // no such thing in JSON text
  bool start_object(std::size_t) override { return add(Value::Members{}) && open(); }
  bool key(string_t& key) override {
    std::get<Value::Members>(open_.back()->is).push_back(Member{std::move(key), {}});
    return true;
  }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return add(Value::List{}) && open(); }
  bool end_array() override { return close(); }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // "[json.exception...] parse error at line 1, column 2: syntax error ...": the library's own
    // place is left out, and bytes that are no UTF-8 may stand in what it read.
    std::string_view what = error.what();
    if (const auto column = what.find("column "); column != std::string_view::npos)
      what = what.substr(std::min(what.find(": ", column), what.size() - 2) + 2);
    else if (const auto name = what.find("] "); name != std::string_view::npos)
      what = what.substr(name + 2);
    result.fault = fmt::format("{}: {}", place(text_, position), printable(what, true));
    result.remedy = "mend the JSON there";
    return false;
  }

  Document result;

 private:
  bool add(auto&& content) {
    if (count_ == kMostValues) {
      result.fault = fmt::format("more than {} values", kMostValues);
      result.remedy = "give a smaller document";
      return false;
    }
    Value* to = &result.root;
    if (!open_.empty()) {
      if (auto* list = std::get_if<Value::List>(&open_.back()->is)) {
        list->emplace_back();
        to = &list->back();
      } else {
        to = &std::get<Value::Members>(open_.back()->is).back().value;
      }
    }
    to->is = std::forward<decltype(content)>(content);
    to->order = count_++;
    last_ = to;
    return true;
  }

  bool open() {
    if (open_.size() == kDeepestNesting) {
      result.fault = fmt::format("more than {} levels of nesting", kDeepestNesting);
      result.remedy = "no configuration needs so many";
      return false;
    }
    open_.push_back(last_);  // stays valid: nothing is added beside an open value
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  std::vector<Value*> open_;
  Value* last_ = nullptr;
  std::uint32_t count_ = 0;
};

Json to_json(const Value& value) {
  struct Convert {
    Json operator()(std::monostate) const { return nullptr; }
    Json operator()(bool b) const { return b; }
    Json operator()(std::int64_t n) const { return n; }
    Json operator()(const Real& r) const { return r.value; }
    Json operator()(const std::string& s) const { return s; }
    Json operator()(const Value::List& list) const {
      Json out = Json::array();
      for (const auto& item : list) out.push_back(to_json(item));
      return out;
    }
    Json operator()(const Value::Members& members) const {
      Json out = Json::object();
      for (const auto& [key, item] : members) out[key] = to_json(item);
      return out;
    }
  };
  return std::visit(Convert{}, value.is);
}

std::string dump(const Value& value, int indent) {
  return to_json(value).dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

const Value* Value::find(std::string_view key) const noexcept {
  const auto* members = as<Members>();
  if (members == nullptr) return nullptr;
  const auto at = std::ranges::find(*members, key, &Member::key);
  return at == members->end() ? nullptr : &at->value;
}

Document parse(std::string_view text) noexcept {
  Document failed;
  if (text.size() > kLongestDocument) {
    failed.fault = fmt::format("longer than {} bytes", kLongestDocument);
    failed.remedy = "give a smaller document";
    return failed;
  }
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    // The library takes it for the end of the text, whatever follows.
    failed.fault = place(text, nul + 1) + ": a NUL byte";
    failed.remedy = "remove it";
    return failed;
  }
  Builder builder(text);
  try {
    if (Json::sax_parse(text, &builder, Json::input_format_t::json, /*strict=*/true,
                        /*ignore_comments=*/true))
      return std::move(builder.result);
  } catch (const std::exception& error) {
    builder.result.fault = printable(error.what(), true);
  }
  failed.fault = std::move(builder.result.fault);
  failed.remedy = std::move(builder.result.remedy);
  return failed;
}

std::string print_line(const Value& value) { return dump(value, -1); }
std::string print(const Value& value) { return dump(value, 2) + "\n"; }

std::string quoted(std::string_view text) { return fmt::format("'{}'", shortened(text)); }

std::string pointer_token(std::string_view key) {
  std::string out;
  for (const char c : shortened(key)) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return out;
}

}  // namespace sluice::config
