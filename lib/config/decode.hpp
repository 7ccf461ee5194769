// SPDX-License-Identifier: Apache-2.0
// JSON text to a checked Configuration: all faults at once, or none.
//
// Threads: any; load() waits for the disk.
#pragma once

#include "base/result.hpp"
#include "config/configuration.hpp"
#include "config/fault.hpp"

#include <filesystem>
#include <string_view>
#include <vector>

namespace sluice::config {

struct Decoded {
  Configuration configuration;  ///< Whole only when there are no faults.
  std::vector<Fault> faults;    ///< In document order; at most kMostFaults.
  std::vector<Fault> warnings;  ///< Accepted, but worth a line in the log.
};

/// Decodes and checks a document: JSON with comments, at most 16 MiB, 32 levels and a million
/// values. Absent keys take their defaults. The text may be anything; never throws.
/// Cost: linear in the text and the configuration.
[[nodiscard]] Decoded decode(std::string_view json_text) noexcept;

/// decode() of a file. @return what read_file() fails with when the file cannot be read.
[[nodiscard]] Result<Decoded> load(const std::filesystem::path& path);

}  // namespace sluice::config
