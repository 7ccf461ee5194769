// SPDX-License-Identifier: Apache-2.0
// Rules between the fields of a configuration, and those that take arithmetic.
//
// Threads: any.
#pragma once

#include "config/configuration.hpp"
#include "config/fault.hpp"

#include <span>
#include <string_view>
#include <vector>

namespace sluice::config {

struct Findings {
  std::vector<Fault> faults;
  std::vector<Fault> warnings;  ///< Allowed, but not what a reader might expect.
};

/// Checks a configuration whose single fields are good, or whose faults are in `known`: a rule that
/// needs a field with a fault of its own keeps silent. At most kMostFaults of either kind.
/// Cost: linear in the configuration; the first 20 unknown names get a did-you-mean over 1000
/// names.
[[nodiscard]] Findings check(const Configuration& configuration,
                             const std::vector<Fault>& known = {});

/// What check() asks for, a sentence each, in Markdown: for the reference.
[[nodiscard]] std::span<const std::string_view> rules() noexcept;

}  // namespace sluice::config
