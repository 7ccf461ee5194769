// SPDX-License-Identifier: Apache-2.0
// A JSON document as it was written: order, repeated keys and the text of odd numbers are kept, so
// that faults can name them. The only place that knows the JSON library is value.cpp.
//
// Threads: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sluice::config {

struct Member;

/// A number with a point or an exponent, or one that no 64-bit integer holds.
struct Real {
  double value = 0;
  std::string text;  ///< As written; empty when it did not come from a document.
};

struct Value {
  using List = std::vector<Value>;
  using Members = std::vector<Member>;

  std::variant<std::monostate, bool, std::int64_t, Real, std::string, List, Members> is;
  std::uint32_t order = 0;  ///< How many values began before this one.

  template <class T>
  [[nodiscard]] const T* as() const noexcept {
    return std::get_if<T>(&is);
  }
  /// The first member of that key; null when there is none or this is no object.
  [[nodiscard]] const Value* find(std::string_view key) const noexcept;
};

struct Member {
  std::string key;
  Value value;
};

inline constexpr std::size_t kLongestDocument = 16U << 20U;  ///< Bytes.
inline constexpr std::size_t kDeepestNesting = 32;
inline constexpr std::size_t kMostValues = 1'000'000;

struct Document {
  Value root;
  std::string
      fault;  ///< Empty, or why the text is no JSON: "line 3, column 7: unexpected '}' ...".
  std::string remedy;  ///< Of the fault.
};

/// Parses JSON with // and /* */ comments. Never throws; the text may be anything.
/// Cost: linear; at most about 64 bytes a value besides the text.
[[nodiscard]] Document parse(std::string_view text) noexcept;

/// JSON text: on one line, or over several with two spaces a level.
[[nodiscard]] std::string print_line(const Value& value);
[[nodiscard]] std::string print(const Value& value);

/// Text from outside in a message: quoted, at most 64 bytes of it, nothing but printable
/// characters.
[[nodiscard]] std::string quoted(std::string_view text);
/// The same without quotes, for a token of a JSON pointer ("~" and "/" as RFC 6901 writes them).
[[nodiscard]] std::string pointer_token(std::string_view key);

}  // namespace sluice::config
