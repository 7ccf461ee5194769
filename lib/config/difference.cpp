// SPDX-License-Identifier: Apache-2.0
#include "config/difference.hpp"

#include "config/table.hpp"
#include "config/value.hpp"

#include <algorithm>
#include <map>
#include <string>

namespace sluice::config {
namespace {

class Comparison {
 public:
  void objects(const Object& object, const Value& before, const Value& after,
               const std::string& path) {
    for (const auto& field : object.fields) {
      const auto* old_value = before.find(field.key);
      const auto* new_value = after.find(field.key);
      const auto at = path.empty() ? std::string(field.key) : path + "/" + std::string(field.key);
      const bool both = old_value != nullptr && new_value != nullptr;
      if (both && field.shape.kind == Shape::Kind::kObject)
        objects(*field.shape.object, *old_value, *new_value, at);
      else if (both && field.shape.kind == Shape::Kind::kList &&
               field.shape.item->object != nullptr)
        lists(field, *old_value, *new_value, at);
      else
        values(field, old_value, new_value, at);
    }
  }

  std::vector<Change> changes;

 private:
  void values(const Field& field, const Value* before, const Value* after,
              const std::string& path) {
    if (before != nullptr && after != nullptr && print_line(*before) == print_line(*after)) return;
    if (before == nullptr && after == nullptr) return;
    auto old_text = shown(field, before);
    auto new_text = shown(field, after);
    changes.push_back(
        {path, std::move(old_text), std::move(new_text), field.taken_by == TakenBy::kReload});
  }

  // JSON text on one line, without secrets.
  static std::string shown(const Field& field, const Value* value) {
    if (value == nullptr) return {};
    if (field.shape.secret) return "\"(hidden)\"";
    const auto* object = field.shape.object != nullptr ? field.shape.object.get()
                         : field.shape.item != nullptr ? field.shape.item->object.get()
                                                       : nullptr;
    if (object == nullptr || value->as<Value::Members>() == nullptr) return print_line(*value);
    Value open = *value;
    hide_secrets(*object, open);
    return print_line(open);
  }

  void lists(const Field& field, const Value& before, const Value& after, const std::string& path) {
    const auto& item = *field.shape.item->object;
    const auto old_items = by_identity(item, before);
    const auto new_items = by_identity(item, after);
    for (const auto& value : *before.as<Value::List>()) {
      const auto name = identity(item, value);
      const auto at = path + "/" + name;
      if (const auto match = new_items.find(name); match != new_items.end())
        objects(item, value, *match->second, at);
      else
        values(field, &value, nullptr, at);
    }
    for (const auto& value : *after.as<Value::List>()) {
      const auto name = identity(item, value);
      if (!old_items.contains(name)) values(field, nullptr, &value, path + "/" + name);
    }
  }

  // What tells an item from others: its identity, or all of it where it has none.
  static std::string identity(const Object& object, const Value& item) {
    const auto* value = item.find(object.identity);
    if (value == nullptr) return print_line(item);
    const auto* text = value->as<std::string>();
    return text == nullptr ? print_line(*value) : *text;
  }

  static std::map<std::string, const Value*> by_identity(const Object& object, const Value& list) {
    std::map<std::string, const Value*> items;
    for (const auto& item : *list.as<Value::List>()) items.emplace(identity(object, item), &item);
    return items;
  }
};

}  // namespace

std::vector<Change> difference(const Configuration& running, const Configuration& wanted) {
  Comparison comparison;
  comparison.objects(table(), write_object(table(), &running), write_object(table(), &wanted), "");
  return std::move(comparison.changes);
}

}  // namespace sluice::config
