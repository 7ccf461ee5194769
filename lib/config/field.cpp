// SPDX-License-Identifier: Apache-2.0
#include "config/field.hpp"

#include "base/nearest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace sluice::config {
namespace {

std::string what_it_is(const Value& value) {
  struct Describe {
    std::string operator()(std::monostate) const { return "is null"; }
    std::string operator()(bool b) const { return fmt::format("{} is a truth value", b); }
    std::string operator()(std::int64_t n) const { return fmt::format("{} is a number", n); }
    std::string operator()(const Real& r) const {
      return fmt::format("{} is a number", pointer_token(r.text));
    }
    std::string operator()(const std::string& s) const {
      return fmt::format("{} is text", config::quoted(s));
    }
    std::string operator()(const Value::List&) const { return "is a list"; }
    std::string operator()(const Value::Members&) const { return "is an object"; }
  };
  return std::visit(Describe{}, value.is);
}

std::vector<std::string_view> keys(const Object& object) {
  std::vector<std::string_view> keys;
  for (const auto& field : object.fields) keys.push_back(field.key);
  return keys;
}

void unknown_key(const Object& object, Reader& reader, std::string_view key) {
  const auto known = keys(object);
  const auto meant = nearest(key, known);
  reader.fault("unknown key", meant.empty()
                                  ? fmt::format("the keys here are {}", fmt::join(known, ", "))
                                  : fmt::format("did you mean '{}'?", meant));
}

}  // namespace

const Field* Object::find(std::string_view key) const noexcept {
  const auto at = std::ranges::find(fields, key, &Field::key);
  return at == fields.end() ? nullptr : &*at;
}

void read_object(const Object& object, Reader& reader, const Value& value, void* to) {
  const auto* members = value.as<Value::Members>();
  if (members == nullptr) return wrong_type(reader, value, {.kind = Shape::Kind::kObject});
  std::unordered_set<std::string_view> seen;
  for (const auto& [key, content] : *members) {
    if (reader.full()) return;
    reader.at(key, [&, &key = key, &content = content] {
      if (!seen.insert(key).second)
        reader.fault("the key stands twice in its object", "keep one of them", Layer::kSyntax);
      else if (const auto* field = object.find(key))
        field->read(reader, content, to);
      else
        unknown_key(object, reader, key);
    });
  }
  for (const auto& field : object.fields) {
    if (field.need == Need::kRequired && !seen.contains(field.key))
      reader.at(field.key, [&] { reader.fault("is required", "give " + wanted(field.shape)); });
  }
}

Value write_object(const Object& object, const void* from) {
  Value::Members members;
  for (const auto& field : object.fields)
    if (auto value = field.write(from))
      members.push_back({std::string(field.key), *std::move(value)});
  return Value{std::move(members)};
}

void hide_secrets(const Object& object, Value& written) {
  auto& members = std::get<Value::Members>(written.is);
  std::erase_if(members, [&](const Member& member) {
    const auto* field = object.find(member.key);
    return field != nullptr && field->shape.secret;
  });
  for (auto& [key, value] : members) {
    const auto& shape = object.find(key)->shape;
    if (shape.object != nullptr) hide_secrets(*shape.object, value);
    if (shape.item != nullptr && shape.item->object != nullptr)
      for (auto& item : std::get<Value::List>(value.is)) hide_secrets(*shape.item->object, item);
  }
}

std::string one_of(const std::vector<std::string_view>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i != 0) text += i + 1 == words.size() ? " or " : ", ";
    text += fmt::format("'{}'", words[i]);
  }
  return text;
}

std::string wanted(const Shape& shape) {
  const auto unit = shape.unit.empty() ? std::string() : fmt::format(" ({})", shape.unit);
  switch (shape.kind) {
    case Shape::Kind::kBoolean:
      return "true or false";
    case Shape::Kind::kInteger:
      return fmt::format("a whole number from {:.0f} to {:.0f}{}", shape.low, shape.high, unit);
    case Shape::Kind::kNumber:
      return fmt::format("a number from {} to {}{}", shape.low, shape.high, unit);
    case Shape::Kind::kText:
      return shape.words.empty() ? fmt::format("{}: {}", shape.form, shape.rule)
                                 : one_of(shape.words);
    case Shape::Kind::kList:

      return shape.shortest == 0 ? "a list" : fmt::format("a list of at least {}", shape.shortest);
    case Shape::Kind::kObject:
      return "an object";
  }
  return {};
}

void wrong_type(Reader& reader, const Value& value, const Shape& shape) {
  reader.fault(shape.secret ? "is not text" : what_it_is(value), "give " + wanted(shape));
}

}  // namespace sluice::config
