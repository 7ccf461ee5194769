// SPDX-License-Identifier: Apache-2.0
// What is wrong with a configuration: where, what, and how to mend it.
//
// Threads: values.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::config {

/// Which check found a fault. Those of one field are in the JSON Schema too; the others cannot be.
enum class Layer : std::uint8_t {
  kSyntax,  ///< The text is no JSON, or an object repeats a key.
  kField,   ///< One field alone: type, range, pattern, unknown or missing key.
  kRule,    ///< Between fields, or arithmetic that a schema has no word for.
};

struct Fault {
  std::string pointer;  ///< RFC 6901, "/" for the whole document. Printable.
  std::string what;     ///< With the offending value; lower case, no full stop.
  std::string remedy;
  Layer layer = Layer::kField;

  /// "POINTER: what; remedy", one line.
  [[nodiscard]] std::string text() const { return pointer + ": " + what + "; " + remedy; }
};

}  // namespace sluice::config
