// SPDX-License-Identifier: Apache-2.0
#include "config/check.hpp"
#include "config/schema.hpp"
#include "config/table.hpp"
#include "config/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

namespace sluice::config {
namespace {

constexpr std::string_view kTitle = R"(# Configuration

<!-- Generated from lib/config/table.cpp by `meson compile -C build configuration-reference`. -->

One JSON file. Comments (`//` and `/* */`) are allowed. A key that is not on this page is a fault.
`sluiced check --config FILE` names all faults of a file, one a line: `POINTER: what; remedy`.
`sluiced schema` prints the JSON Schema; editors find it by the key `$schema`.

*Changes by*: a running daemon takes a new value by `reload` (SIGHUP) or only by `restart`. A reload
that would change a `restart` key is refused by that key's name, and changes nothing.

A *name* is 1 to 64 of the characters `A-Z a-z 0-9 _ . -`. Whole numbers may be written `3` or `3.0`.
)";

// The GitHub anchor of a heading: lower case, no punctuation.
std::string anchor(std::string_view heading) {
  std::string anchor;
  for (const char c : heading)
    if ((c >= 'a' && c <= 'z') || c == '_') anchor += c;
  return anchor;
}

std::string link(std::string_view path) { return fmt::format("[`{}`](#{})", path, anchor(path)); }

std::string range(const Shape& shape) {
  std::string text = shape.kind == Shape::Kind::kInteger
                         ? fmt::format("whole number, {:.0f} to {:.0f}", shape.low, shape.high)
                         : fmt::format("number, {} to {}", shape.low, shape.high);
  if (!shape.unit.empty()) text += fmt::format(" ({})", shape.unit);
  return text;
}

std::string value_cell(const Shape& shape, const std::string& path) {
  switch (shape.kind) {
    case Shape::Kind::kBoolean:
      return "`true` or `false`";
    case Shape::Kind::kInteger:
    case Shape::Kind::kNumber:
      return range(shape);
    case Shape::Kind::kText: {
      if (shape.words.empty()) {
        if (shape.form == "a name") return "name";
        return fmt::format("{}: {}", shape.form, shape.rule);
      }
      std::string words;
      for (const auto word : shape.words)
        words += fmt::format("{}`{}`", words.empty() ? "" : ", ", word);
      return words;
    }
    case Shape::Kind::kList:
      return "list of " + (shape.item->kind == Shape::Kind::kObject
                               ? link(path + "[]")
                               : value_cell(*shape.item, path));
    case Shape::Kind::kObject:
      return "object " + link(path);
  }
  return {};
}

std::string default_cell(const Field& field, const Value& fresh) {
  if (field.need == Need::kRequired) return "required";
  const auto* untouched = fresh.find(field.key);
  if (untouched == nullptr) return "absent";
  if (field.shape.kind == Shape::Kind::kObject) return "";
  return fmt::format("`{}`", print_line(*untouched));
}

std::string_view changes_by(const Field& field, const Value& fresh) {
  if (field.shape.kind == Shape::Kind::kObject && fresh.find(field.key) != nullptr) return "";
  return field.taken_by == TakenBy::kReload ? "reload" : "restart";
}

void section(std::string& page, const Object& object, const std::string& path) {
  const Value fresh = object.fresh();
  page += fmt::format("\n## {}\n\n", path.empty() ? "Top level" : fmt::format("`{}`", path));
  page += "| key | value | default | changes by | meaning |\n| --- | --- | --- | --- | --- |\n";
  const auto below = [&](const Field& field) {
    return path.empty() ? std::string(field.key) : fmt::format("{}.{}", path, field.key);
  };
  for (const auto& field : object.fields)
    page += fmt::format("| `{}` | {} | {} | {} | {} |\n", field.key,
                        value_cell(field.shape, below(field)), default_cell(field, fresh),
                        changes_by(field, fresh), field.about);
  for (const auto& field : object.fields) {
    if (field.shape.kind == Shape::Kind::kObject)
      section(page, *field.shape.object, below(field));
    else if (field.shape.kind == Shape::Kind::kList && field.shape.item->object != nullptr)
      section(page, *field.shape.item->object, below(field) + "[]");
  }
}

}  // namespace

std::string reference_markdown() {
  std::string page(kTitle);
  section(page, table(), "");
  page += "\n## Rules between keys\n\nThe schema cannot say these; `sluiced check` does.\n\n";
  for (const auto rule : rules()) page += fmt::format("- {}\n", rule);
  return page;
}

}  // namespace sluice::config
