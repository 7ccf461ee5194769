// SPDX-License-Identifier: Apache-2.0
// Which fields of a document could not be decoded.
//
// Threads: values.
#pragma once

#include "config/fault.hpp"

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace sluice::config {

/// What stands in a Configuration for a damaged field means nothing: rules pass it by.
class Damage {
 public:
  explicit Damage(const std::vector<Fault>& faults) {
    for (const auto& fault : faults) pointers_.insert(fault.pointer);
  }
  /// Whether the field at `pointer`, or something around it, has a fault.
  [[nodiscard]] bool at(std::string_view pointer) const {
    if (pointers_.empty()) return false;  // as a rule; lists of prefixes are long
    while (!pointer.empty()) {
      if (pointers_.contains(std::string(pointer))) return true;
      pointer = pointer.substr(0, pointer.rfind('/'));
    }
    return pointers_.contains("/");
  }

 private:
  std::unordered_set<std::string> pointers_;
};

}  // namespace sluice::config
