// SPDX-License-Identifier: Apache-2.0
// A JSON answer read with care: whatever the other side sent, a look at it gives text, never a
// crash.
//
// Threads: values; the JSON must outlive its views.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::client {

class View {
 public:
  explicit View(const nlohmann::json& value) noexcept : value_(&value) {}

  /// The member `key`; an absent view where this is no object or has none.
  [[nodiscard]] View operator[](std::string_view key) const;

  /// Elements of a list; std::nullopt where this is none.
  [[nodiscard]] std::optional<std::vector<View>> items() const;
  /// Names (printable) and values of an object; empty where this is none.
  [[nodiscard]] std::vector<std::pair<std::string, View>> members() const;

  /// Neither missing nor null.
  [[nodiscard]] bool present() const noexcept;
  [[nodiscard]] bool is_string() const noexcept;

  /// Printable text of a string, number or boolean, cut to `widest` columns; "?" for all else.
  [[nodiscard]] std::string text(std::size_t widest = 200) const;
  /// A whole number of 0 or more.
  [[nodiscard]] std::optional<std::uint64_t> whole() const noexcept;
  [[nodiscard]] std::optional<double> real() const noexcept;  ///< Any number.
  [[nodiscard]] bool is_true() const noexcept;
  [[nodiscard]] bool is_false() const noexcept;
  [[nodiscard]] bool is(std::string_view word) const noexcept;  ///< The string `word`.

  /// The numbers as text.hpp prints them; "?" where it is no such number.
  [[nodiscard]] std::string count() const;
  [[nodiscard]] std::string share() const;
  [[nodiscard]] std::string duration() const;

  /// The value as JSON on one line, printable, cut to `widest` columns.
  [[nodiscard]] std::string json(std::size_t widest) const;

 private:
  View() noexcept = default;
  const nlohmann::json* value_ = nullptr;
};

}  // namespace sluice::client
