// SPDX-License-Identifier: Apache-2.0
// The admin API as an OpenAPI 3.1 document, made from the table that dispatches its requests.
//
// Threads: any; made once.
#pragma once

#include "control/views.hpp"

#include <string>

namespace sluice::control {

/// The document, as JSON text that ends with a new line.
[[nodiscard]] const std::string& openapi();

/// The schemas that the routes name, by name: `components/schemas`. Every field of an answer is in
/// them, and required where it is always there.
[[nodiscard]] Json api_schemas();

}  // namespace sluice::control
