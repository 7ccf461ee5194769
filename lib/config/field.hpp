// SPDX-License-Identifier: Apache-2.0
// The words that the field table is written in. A field says its key, what it may be, how it reads
// and writes one member of a struct, and a sentence for people; decoding, encoding, the schema, the
// reference page and the difference of two configurations are loops over such fields.
//
// Threads: built once, then only read.
#pragma once

#include "config/reader.hpp"
#include "config/value.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::config {

struct Object;

/// What a value may be, in terms that JSON Schema has too.
struct Shape {
  enum class Kind : std::uint8_t { kBoolean, kInteger, kNumber, kText, kList, kObject };
  Kind kind = Kind::kBoolean;
  double low = 0;  ///< Numbers: least and greatest, both allowed.
  double high = 0;
  std::string_view unit = {};  ///< Of a number: "ms", "bytes", ...; empty: a bare number.
  std::string_view form = {};  ///< Text: what it is, for people: "a MAC address".
  std::string_view rule = {};  ///< Text: how it is written: "six hexadecimal pairs".
  std::string pattern = {};    ///< Text: ECMA-262, anchored; empty: any.
  std::size_t shortest = 0;    ///< Characters of a text, items of a list.
  std::size_t longest = 0;     ///< 0: no limit of its own.
  std::vector<std::string_view> words = {};  ///< Text: the only ones allowed; empty: any.
  bool secret = false;  ///< Text: never in a message, a difference or a read-only answer.
  std::shared_ptr<const Shape> item = {};     ///< Of a list.
  std::shared_ptr<const Object> object = {};  ///< Of an object.
};

enum class Need : bool { kOptional, kRequired };
/// What a reload may change. kRestart fields are refused by a running daemon, by name.
enum class TakenBy : bool { kRestart, kReload };

struct Field {
  std::string_view key;
  Need need = Need::kOptional;
  TakenBy taken_by = TakenBy::kRestart;
  Shape shape;
  std::string_view about;  ///< A sentence or two for the reference; no line breaks.
  /// Reads a value of the document into the owning struct; on a fault the member stays as it was.
  std::function<void(Reader&, const Value&, void*)> read;
  /// The member as the document would say it; nothing when the key is better left out.
  std::function<std::optional<Value>(const void*)> write;
};

struct Object {
  std::string_view title;     ///< What one of them is: "port".
  std::string_view identity;  ///< In a list: the key that tells its items apart; else empty.
  std::vector<Field> fields;
  /// Writes an object that was never touched, for the defaults of the schema.
  std::function<Value()> fresh = {};

  [[nodiscard]] const Field* find(std::string_view key) const noexcept;
};

/// Reads an object by its fields: unknown, repeated and missing keys are faults.
void read_object(const Object& object, Reader& reader, const Value& value, void* to);
/// Every field of it, in the order of the table.
[[nodiscard]] Value write_object(const Object& object, const void* from);

/// Leaves the secrets out of what write_object() wrote.
void hide_secrets(const Object& object, Value& written);

/// "a whole number from 576 to 9000 (bytes)": what a remedy asks for.
[[nodiscard]] std::string wanted(const Shape& shape);
/// Faults "5 is a number" and its like, with what is wanted instead.
void wrong_type(Reader& reader, const Value& value, const Shape& shape);
/// "'a'", "'a' or 'b'", "'a', 'b' or 'c'".
[[nodiscard]] std::string one_of(const std::vector<std::string_view>& words);

}  // namespace sluice::config
