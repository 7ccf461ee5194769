// SPDX-License-Identifier: Apache-2.0
#include "config/schema.hpp"

#include "config/table.hpp"
#include "config/value.hpp"

#include <string_view>
#include <utility>

namespace sluice::config {
namespace {

void add(Value::Members& to, std::string_view key, Value value) {
  to.push_back({std::string(key), std::move(value)});
}

Value text(std::string_view text) { return Value{std::string(text)}; }
Value whole(std::size_t number) { return Value{static_cast<std::int64_t>(number)}; }

std::string_view type_name(Shape::Kind kind) {
  switch (kind) {
    case Shape::Kind::kBoolean:
      return "boolean";
    case Shape::Kind::kInteger:
      return "integer";
    case Shape::Kind::kNumber:
      return "number";
    case Shape::Kind::kText:
      return "string";
    case Shape::Kind::kList:
      return "array";
    case Shape::Kind::kObject:
      return "object";
  }
  return {};
}

Value limit(const Shape& shape, double number) {
  if (shape.kind == Shape::Kind::kInteger) return Value{static_cast<std::int64_t>(number)};
  return Value{Real{number, {}}};
}

void describe(Value::Members& to, const Shape& shape);

// An object that is always there: what changes is one of its keys, never the object.
bool has_parts_only(const Field& field, const Value* untouched) {
  return field.shape.kind == Shape::Kind::kObject && untouched != nullptr;
}

void describe(Value::Members& to, const Object& object) {
  const Value fresh = object.fresh();
  Value::Members properties;
  Value::List required;
  for (const auto& field : object.fields) {
    Value::Members property;
    add(property, "description", text(field.about));
    describe(property, field.shape);
    const auto* untouched = fresh.find(field.key);
    if (field.need == Need::kRequired)
      required.push_back(text(field.key));
    else if (untouched != nullptr && !has_parts_only(field, untouched))
      add(property, "default", *untouched);
    if (field.shape.secret) add(property, "writeOnly", Value{true});
    if (!has_parts_only(field, untouched))
      add(property, "x-reload", Value{field.taken_by == TakenBy::kReload});
    add(properties, field.key, Value{std::move(property)});
  }
  add(to, "properties", Value{std::move(properties)});
  if (!required.empty()) add(to, "required", Value{std::move(required)});
  add(to, "additionalProperties", Value{false});
}

void describe(Value::Members& to, const Shape& shape) {
  add(to, "type", text(type_name(shape.kind)));
  switch (shape.kind) {
    case Shape::Kind::kBoolean:
      break;
    case Shape::Kind::kInteger:
    case Shape::Kind::kNumber:
      add(to, "minimum", limit(shape, shape.low));
      add(to, "maximum", limit(shape, shape.high));
      if (!shape.unit.empty()) add(to, "x-unit", text(shape.unit));
      break;
    case Shape::Kind::kText:
      if (!shape.words.empty()) {
        Value::List words;
        for (const auto word : shape.words) words.push_back(text(word));
        add(to, "enum", Value{std::move(words)});
      }
      if (shape.shortest != 0) add(to, "minLength", whole(shape.shortest));
      if (shape.longest != 0) add(to, "maxLength", whole(shape.longest));
      if (!shape.pattern.empty()) add(to, "pattern", Value{shape.pattern});
      break;
    case Shape::Kind::kList: {
      Value::Members item;
      describe(item, *shape.item);
      add(to, "items", Value{std::move(item)});
      if (shape.shortest != 0) add(to, "minItems", whole(shape.shortest));
      if (shape.longest != 0) add(to, "maxItems", whole(shape.longest));
      break;
    }
    case Shape::Kind::kObject:
      describe(to, *shape.object);
      break;
  }
}

}  // namespace

std::string schema() {
  Value::Members root;
  add(root, "$schema", text("https://json-schema.org/draft/2020-12/schema"));
  add(root, "title", text("Sluice configuration"));
  add(root, "description", text("Configuration of sluiced. Comments are allowed in the file."));
  add(root, "type", text("object"));
  describe(root, table());
  return print(Value{std::move(root)});
}

}  // namespace sluice::config
