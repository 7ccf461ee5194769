// SPDX-License-Identifier: Apache-2.0
// How one member of a struct stands in JSON. A codec has a shape(), reads a Value into a T or
// faults, and writes a T; field() binds a codec to a key and a member.
//
// Threads: values.
#pragma once

#include "config/field.hpp"

#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice::config {

struct Flag {
  [[nodiscard]] Shape shape() const { return {.kind = Shape::Kind::kBoolean}; }
  void read(Reader& reader, const Value& value, bool& to) const;
  [[nodiscard]] std::optional<Value> write(bool from) const { return Value{from}; }
};

/// A whole number, or a duration in whole ticks. 3.0 is whole, as in JSON Schema; 3.5 is not.
struct Whole {
  std::int64_t low;
  std::int64_t high;
  std::string_view unit = {};

  [[nodiscard]] Shape shape() const {
    return {.kind = Shape::Kind::kInteger,
            .low = static_cast<double>(low),
            .high = static_cast<double>(high),
            .unit = unit};
  }
  [[nodiscard]] std::optional<std::int64_t> number(Reader& reader, const Value& value) const;

  template <std::integral T>
  void read(Reader& reader, const Value& value, T& to) const {
    if (const auto n = number(reader, value)) to = static_cast<T>(*n);
  }
  template <class R, class P>
  void read(Reader& reader, const Value& value, std::chrono::duration<R, P>& to) const {
    if (const auto n = number(reader, value)) to = std::chrono::duration<R, P>(*n);
  }
  template <std::integral T>
  [[nodiscard]] std::optional<Value> write(T from) const {
    return Value{static_cast<std::int64_t>(from)};
  }
  template <class R, class P>
  [[nodiscard]] std::optional<Value> write(std::chrono::duration<R, P> from) const {
    return Value{static_cast<std::int64_t>(from.count())};
  }
};

struct Fractional {
  double low;
  double high;
  std::string_view unit = {};

  [[nodiscard]] Shape shape() const {
    return {.kind = Shape::Kind::kNumber, .low = low, .high = high, .unit = unit};
  }
  void read(Reader& reader, const Value& value, double& to) const;
  [[nodiscard]] std::optional<Value> write(double from) const { return Value{Real{from, {}}}; }
};

/// Text of a form. `accepts` is the pattern in code: both must say the same, and a test compares
/// them; a regular expression engine would need stack in proportion to hostile text.
struct Text {
  std::string_view form;  ///< As in Shape, like the next four.
  std::string_view rule;
  std::string_view pattern;
  std::size_t shortest;
  std::size_t longest;
  bool (*accepts)(std::string_view);  ///< Given text of an allowed length.
  bool secret = false;

  [[nodiscard]] Shape shape() const {
    return {.kind = Shape::Kind::kText,
            .form = form,
            .rule = rule,
            .pattern = std::string(pattern),
            .shortest = shortest,
            .longest = longest,
            .secret = secret};
  }
  void read(Reader& reader, const Value& value, std::string& to) const;
  /// Empty text is the same as the key left out: no form accepts it.
  [[nodiscard]] std::optional<Value> write(const std::string& from) const;
};

/// Words that stand for values of an enumeration, or for themselves when T is std::string.
/// `later`: words of the domain that this version does not support; they get a clearer message.
template <class T>
struct Choice {
  std::vector<std::pair<std::string_view, T>> words;
  std::vector<std::string_view> later = {};

  [[nodiscard]] Shape shape() const;
  void read(Reader& reader, const Value& value, T& to) const;
  [[nodiscard]] std::optional<Value> write(const T& from) const;
};

/// The choice of `text` among `words`; its index, or a fault.
[[nodiscard]] std::optional<std::size_t> choose(Reader& reader, const Value& value,
                                                const std::vector<std::string_view>& words,
                                                const std::vector<std::string_view>& later);

template <class T>
Shape Choice<T>::shape() const {
  Shape shape{.kind = Shape::Kind::kText};
  for (const auto& [word, meaning] : words) shape.words.push_back(word);
  return shape;
}

template <class T>
void Choice<T>::read(Reader& reader, const Value& value, T& to) const {
  if (const auto i = choose(reader, value, shape().words, later)) to = words[*i].second;
}

template <class T>
std::optional<Value> Choice<T>::write(const T& from) const {
  for (const auto& [word, meaning] : words)
    if (meaning == from) return Value{std::string(word)};
  return std::nullopt;
}

/// Faults "'x' is not a MAC address" and its like; secrets are not quoted.
void not_the_form(Reader& reader, std::string_view text, const Shape& shape);

/// An object with a struct of its own, or an optional one.
struct Nested {
  std::shared_ptr<const Object> object;

  [[nodiscard]] Shape shape() const { return {.kind = Shape::Kind::kObject, .object = object}; }
  template <class T>
  void read(Reader& reader, const Value& value, T& to) const {
    read_object(*object, reader, value, &to);
  }
  template <class T>
  void read(Reader& reader, const Value& value, std::optional<T>& to) const {
    read_object(*object, reader, value, &to.emplace());
  }
  template <class T>
  [[nodiscard]] std::optional<Value> write(const T& from) const {
    return write_object(*object, &from);
  }
  template <class T>
  [[nodiscard]] std::optional<Value> write(const std::optional<T>& from) const {
    return from ? std::optional(write_object(*object, &*from)) : std::nullopt;
  }
};

/// A list of exactly two.
template <class Codec>
struct Pair {
  Codec codec;

  [[nodiscard]] Shape shape() const;
  template <class T>
  void read(Reader& reader, const Value& value, std::pair<T, T>& to) const;
  template <class T>
  void read(Reader& reader, const Value& value, std::optional<std::pair<T, T>>& to) const {
    read(reader, value, to.emplace());
  }
  template <class T>
  [[nodiscard]] std::optional<Value> write(const std::pair<T, T>& from) const {
    return Value{Value::List{*codec.write(from.first), *codec.write(from.second)}};
  }
  template <class T>
  [[nodiscard]] std::optional<Value> write(const std::optional<std::pair<T, T>>& from) const {
    return from ? write(*from) : std::nullopt;
  }
};

template <class Codec>
struct ListOf {
  Codec codec;
  std::size_t shortest = 0;
  std::size_t longest = 0;

  [[nodiscard]] Shape shape() const {
    return {.kind = Shape::Kind::kList,
            .shortest = shortest,
            .longest = longest,
            .item = std::make_shared<const Shape>(codec.shape())};
  }
  template <class T>
  void read(Reader& reader, const Value& value, std::vector<T>& to) const;
  template <class T>
  [[nodiscard]] std::optional<Value> write(const std::vector<T>& from) const {
    Value::List list;
    for (const auto& item : from) list.push_back(codec.write(item).value_or(Value{}));
    return Value{std::move(list)};
  }
};

/// The items of a list whose length is allowed; null and a fault otherwise.
[[nodiscard]] const Value::List* items(Reader& reader, const Value& value, const Shape& shape);

template <class Codec>
template <class T>
void ListOf<Codec>::read(Reader& reader, const Value& value, std::vector<T>& to) const {
  const auto* list = items(reader, value, shape());
  if (list == nullptr) return;
  to.assign(list->size(), T{});  // an item with a fault keeps its place, so that pointers stay true
  for (std::size_t i = 0; i < list->size() && !reader.full(); ++i)
    reader.at(i, [&] { codec.read(reader, (*list)[i], to[i]); });
}

template <class Codec>
Shape Pair<Codec>::shape() const {
  return ListOf<Codec>{codec, 2, 2}.shape();
}

template <class Codec>
template <class T>
void Pair<Codec>::read(Reader& reader, const Value& value, std::pair<T, T>& to) const {
  const auto* list = items(reader, value, shape());
  if (list == nullptr) return;
  reader.at(std::size_t{0}, [&] { codec.read(reader, (*list)[0], to.first); });
  reader.at(std::size_t{1}, [&] { codec.read(reader, (*list)[1], to.second); });
}

template <class Owner, class T, class Codec>
Field field(std::string_view key, Need need, TakenBy taken_by, T Owner::*member, Codec codec,
            std::string_view about) {
  return {
      .key = key,
      .need = need,
      .taken_by = taken_by,
      .shape = codec.shape(),
      .about = about,
      .read = [=](Reader& reader, const Value& value,
                  void* owner) { codec.read(reader, value, static_cast<Owner*>(owner)->*member); },
      .write =
          [=](const void* owner) {
            return codec.write(static_cast<const Owner*>(owner)->*member);
          }};
}

/// The fields of a struct.
template <class Struct>
std::shared_ptr<const Object> object(std::string_view title, std::string_view identity,
                                     std::vector<Field> fields) {
  auto made = std::make_shared<Object>(Object{title, identity, std::move(fields), {}});
  made->fresh = [raw = made.get()] {
    const Struct untouched{};
    return write_object(*raw, &untouched);
  };
  return made;
}

}  // namespace sluice::config
