// SPDX-License-Identifier: Apache-2.0
// A Configuration back to JSON, every default written out.
//
// Threads: any.
#pragma once

#include "config/configuration.hpp"

#include <string>

namespace sluice::config {

/// What becomes of `hash_key` and its like. Hidden for whoever may read but not change the node.
enum class Secrets : bool { kShown, kHidden };

/// JSON text over several lines. With its secrets shown, decode() turns it into an equal
/// Configuration, if the given one keeps the rules.
[[nodiscard]] std::string encode(const Configuration& configuration,
                                 Secrets secrets = Secrets::kShown);

}  // namespace sluice::config
