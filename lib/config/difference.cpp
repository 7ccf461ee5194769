// SPDX-License-Identifier: Apache-2.0
#include "config/difference.hpp"

#include "config/table.hpp"
#include "config/value.hpp"

#include <algorithm>
#include <map>
#include <string_view>

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
    auto old_text = before == nullptr ? std::string() : print_line(*before);
    auto new_text = after == nullptr ? std::string() : print_line(*after);
    if (old_text == new_text) return;
    if (field.shape.secret)
      for (auto* text : {&old_text, &new_text})
        if (!text->empty()) *text = "\"(hidden)\"";
    changes.push_back(
        {path, std::move(old_text), std::move(new_text), field.taken_by == TakenBy::kReload});
  }

  void lists(const Field& field, const Value& before, const Value& after, const std::string& path) {
    const auto& item = *field.shape.item->object;
    const auto old_items = by_identity(item, before);
    const auto new_items = by_identity(item, after);
    for (const auto& value : *before.as<Value::List>()) {
      const auto name = identity(item, value);
      const auto at = path + "/" + std::string(name);
      if (const auto match = new_items.find(name); match != new_items.end())
        objects(item, value, *match->second, at);
      else
        values(field, &value, nullptr, at);
    }
    for (const auto& value : *after.as<Value::List>()) {
      const auto name = identity(item, value);
      if (!old_items.contains(name)) values(field, nullptr, &value, path + "/" + std::string(name));
    }
  }

  static std::string_view identity(const Object& object, const Value& item) {
    const auto* value = item.find(object.identity);
    const auto* text = value == nullptr ? nullptr : value->as<std::string>();
    return text == nullptr ? std::string_view() : *text;
  }

  static std::map<std::string_view, const Value*> by_identity(const Object& object,
                                                              const Value& list) {
    std::map<std::string_view, const Value*> items;
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
