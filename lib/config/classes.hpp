// SPDX-License-Identifier: Apache-2.0
// The classes that a pool is scaled by.
//
// Threads: values.
#pragma once

#include "config/configuration.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

namespace sluice::config {

/// Those of the pool; where it has none, one named "default" with the defaults of a class.
[[nodiscard]] inline std::vector<BackendClass> scaled_classes(const Pool& pool) {
  if (!pool.classes.empty()) return pool.classes;
  return {BackendClass{.name = "default"}};
}

/// Index of a class by its name; 0 for an empty name or one that is not there.
[[nodiscard]] inline std::size_t class_index(const std::vector<BackendClass>& classes,
                                             std::string_view name) {
  const auto found = std::ranges::find(classes, name, &BackendClass::name);
  return found == classes.end() ? 0 : static_cast<std::size_t>(found - classes.begin());
}

}  // namespace sluice::config
