// SPDX-License-Identifier: Apache-2.0
// The one table of everything a configuration may say. Decoding, encoding, defaults, the JSON
// Schema, the reference page and the difference of two configurations all come from it.
//
// Threads: any; built at first use, then only read.
#pragma once

#include "config/field.hpp"

namespace sluice::config {

/// The fields of struct Configuration.
[[nodiscard]] const Object& table();

}  // namespace sluice::config
