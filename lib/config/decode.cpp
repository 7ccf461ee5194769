// SPDX-License-Identifier: Apache-2.0
#include "config/decode.hpp"

#include "base/file.hpp"
#include "config/check.hpp"
#include "config/reader.hpp"
#include "config/table.hpp"
#include "config/value.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <span>
#include <utility>

namespace sluice::config {
namespace {

// Members of an object that may have been read: each is a field or a fault.
constexpr std::size_t kMostRead = kMostFaults + 1000;

const Value* member(const Value& value, std::string_view key) {
  const auto* members = value.as<Value::Members>();
  if (members == nullptr) return nullptr;
  const auto read = std::span(*members).first(std::min(members->size(), kMostRead));
  const auto at = std::ranges::find(read, key, &Member::key);
  return at == read.end() ? nullptr : &at->value;
}

// How early the value that a pointer leads to stands in the document. For one that does not exist
// (a missing key): the innermost value around it.
std::uint32_t position(const Value& root, std::string_view pointer) {
  const Value* at = &root;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const auto token = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(token.size());
    const Value* next = member(*at, token);
    if (const auto* list = at->as<Value::List>()) {
      std::size_t index = 0;
      const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
      if (error == std::errc{} && index < list->size()) next = &(*list)[index];
    }
    if (next == nullptr) break;
    at = next;
  }
  return at->order;
}

void sort_by_position(const Value& root, std::vector<Fault>& faults) {
  std::vector<std::pair<std::uint32_t, std::size_t>> order;
  for (std::size_t i = 0; i < faults.size(); ++i)
    order.emplace_back(position(root, faults[i].pointer), i);
  std::ranges::sort(order);
  std::vector<Fault> sorted;
  sorted.reserve(faults.size());
  for (const auto& [at, i] : order) sorted.push_back(std::move(faults[i]));
  faults = std::move(sorted);
}

}  // namespace

Decoded decode(std::string_view json_text) noexcept {
  Decoded decoded;
  const auto document = parse(json_text);
  if (!document.fault.empty()) {
    decoded.faults.push_back({"/", document.fault, document.remedy, Layer::kSyntax});
    return decoded;
  }
  Reader reader;
  read_object(table(), reader, document.root, &decoded.configuration);
  const bool whole = !reader.full();
  decoded.faults = reader.take_faults();
  if (whole) {
    auto findings = check(decoded.configuration, decoded.faults);
    std::ranges::move(findings.faults, std::back_inserter(decoded.faults));
    decoded.warnings = std::move(findings.warnings);
  }
  sort_by_position(document.root, decoded.faults);
  sort_by_position(document.root, decoded.warnings);
  if (decoded.faults.size() > kMostFaults) decoded.faults.resize(kMostFaults);
  return decoded;
}

Result<Decoded> load(const std::filesystem::path& path) {
  return read_file(path, kLongestDocument).map([](const std::string& text) {
    return decode(text);
  });
}

}  // namespace sluice::config
