// SPDX-License-Identifier: Apache-2.0
// The field table as JSON Schema for editors and programs, and as a reference page for people.
//
// Threads: any.
#pragma once

#include <string>

namespace sluice::config {

/// JSON Schema 2020-12 as JSON text. It accepts what decode() accepts, but for the rules between
/// fields (check()) and repeated keys, which a schema has no words for. "x-unit": unit of a number;
/// "x-reload": whether a running daemon takes a new value, or only a restart does.
[[nodiscard]] std::string schema();

/// docs/reference/configuration.md.
[[nodiscard]] std::string reference_markdown();

}  // namespace sluice::config
