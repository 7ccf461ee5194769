// SPDX-License-Identifier: Apache-2.0
// Whole files: bounded reading, and writing that leaves the old content or the new, never a
// mixture.
//
// Threads: slow path; these functions wait for the disk.
#pragma once

#include "base/result.hpp"

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace sluice {

/// Reads a file of at most `limit` bytes.
/// @return its content; kNotFound, kInvalid (a directory, or longer than `limit`) or kIo.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit);

/// Writes a sibling, flushes it to the disk and renames it over `path`, then flushes the folder.
/// The file's mode is 0640.
/// @return kNotFound (no such folder) or kIo, with the system's reason (no space, not writable);
/// the
///   old file is then untouched and the sibling gone. Only a failure to flush the folder comes
///   after the renaming: the content is the new one then, but may not survive a loss of power.
[[nodiscard]] Result<void> write_file_atomically(const std::filesystem::path& path,
                                                 std::string_view content);

}  // namespace sluice
