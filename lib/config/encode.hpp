// SPDX-License-Identifier: Apache-2.0
// A Configuration back to JSON, every default written out.
//
// Threads: any.
#pragma once

#include "config/configuration.hpp"

#include <string>

namespace sluice::config {

/// JSON text over several lines that decode() turns into an equal Configuration, if the given one
/// keeps the rules.
[[nodiscard]] std::string encode(const Configuration& configuration);

}  // namespace sluice::config
