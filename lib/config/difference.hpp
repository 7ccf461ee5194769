// SPDX-License-Identifier: Apache-2.0
// What changes between two configurations, by the names of things: for reloads and for people.
//
// Threads: any.
#pragma once

#include "config/configuration.hpp"

#include <string>
#include <vector>

namespace sluice::config {

/// One value that differs. Items of lists go by name (neighbours by address), so that moving one
/// within its list is no change.
struct Change {
  std::string path;    ///< "pools/llama/backends/gpu-1/weight"; "services/chat" for a whole item.
  std::string before;  ///< JSON text on one line; empty when it was not there.
  std::string after;   ///< The same; empty when it is not there any more.
  bool reloadable;     ///< False: "PATH changes only on restart".

  friend bool operator==(const Change&, const Change&) = default;
};

/// Every change from `running` to `wanted`, in the order of the reference; within a list, items of
/// `running` first. Empty exactly when both mean the same.
/// Cost: n log n in the items of the longest list.
[[nodiscard]] std::vector<Change> difference(const Configuration& running,
                                             const Configuration& wanted);

}  // namespace sluice::config
