// SPDX-License-Identifier: Apache-2.0
#include "client/view.hpp"

#include "client/text.hpp"

#include <nlohmann/json.hpp>

namespace sluice::client {
namespace {

// Cuts before escaping, so that a string of megabytes costs no more than what is shown of it. A
// character has at most 4 bytes; one cut in half would look broken, so it goes as a whole.
std::string shown(std::string_view text, std::size_t widest) {
  std::size_t bytes = 4 * (widest + 1);
  if (bytes >= text.size()) return clip(printable(text), widest);
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0U) == 0x80U) --bytes;
  return clip(printable(text.substr(0, bytes)) + "…", widest);
}

}  // namespace

View View::operator[](std::string_view key) const {
  View member;
  if (value_ == nullptr || !value_->is_object()) return member;
  const auto at = value_->find(key);
  if (at != value_->end()) member.value_ = &*at;
  return member;
}

std::optional<std::vector<View>> View::items() const {
  if (value_ == nullptr || !value_->is_array()) return std::nullopt;
  std::vector<View> list;
  list.reserve(value_->size());
  for (const auto& element : *value_) list.emplace_back(element);
  return list;
}

std::vector<std::pair<std::string, View>> View::members() const {
  std::vector<std::pair<std::string, View>> list;
  if (value_ == nullptr || !value_->is_object()) return list;
  for (const auto& [key, element] : value_->items())
    list.emplace_back(shown(key, 40), View(element));
  return list;
}

bool View::present() const noexcept { return value_ != nullptr && !value_->is_null(); }

bool View::is_string() const noexcept { return value_ != nullptr && value_->is_string(); }

std::string View::text(std::size_t widest) const {
  if (is_string()) return shown(value_->get_ref<const std::string&>(), widest);
  if (value_ != nullptr && (value_->is_number() || value_->is_boolean())) return json(widest);
  return "?";
}

std::optional<std::uint64_t> View::whole() const noexcept {
  if (value_ == nullptr) return std::nullopt;
  if (value_->is_number_unsigned()) return value_->get<std::uint64_t>();
  if (value_->is_number_integer() && value_->get<std::int64_t>() >= 0)
    return static_cast<std::uint64_t>(value_->get<std::int64_t>());
  return std::nullopt;
}

std::optional<double> View::real() const noexcept {
  if (value_ == nullptr || !value_->is_number()) return std::nullopt;
  return value_->get<double>();
}

bool View::is_true() const noexcept {
  return value_ != nullptr && value_->is_boolean() && value_->get<bool>();
}

bool View::is_false() const noexcept {
  return value_ != nullptr && value_->is_boolean() && !value_->get<bool>();
}

bool View::is(std::string_view word) const noexcept {
  return is_string() && value_->get_ref<const std::string&>() == word;
}

std::string View::count() const {
  const auto n = whole();
  return n ? count_text(*n) : "?";
}

std::string View::share() const {
  const auto ratio = real();
  return ratio ? share_text(*ratio) : "?";
}

std::string View::duration() const {
  const auto seconds = real();
  return seconds ? duration_text(*seconds) : "?";
}

std::string View::json(std::size_t widest) const {
  if (value_ == nullptr) return "nothing";
  using nlohmann::json;
  return shown(value_->dump(-1, ' ', false, json::error_handler_t::replace), widest);
}

}  // namespace sluice::client
