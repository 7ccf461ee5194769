// SPDX-License-Identifier: Apache-2.0
// Keys and tokens in files that nobody else may read.
//
// Threads: slow path; waits for the disk.
#pragma once

#include "base/result.hpp"

#include <string>

namespace sluice::actuate {

constexpr std::size_t kLongestSecret =
    16384;  ///< Bytes; tokens of service accounts have some 1000.

/// The file's content without the line end behind it. Read anew for each use, so that a new key or
/// token counts at once. The content is in no message.
/// @return kInvalid: empty, too long, no plain file, with characters that no header may have, or
///   one that group or others may read; kNotFound, kIo.
[[nodiscard]] Result<std::string> read_secret(const std::string& path);

/// HMAC-SHA256 as 64 lower-case hexadecimal digits.
[[nodiscard]] std::string hmac_sha256(std::string_view key, std::string_view text);

}  // namespace sluice::actuate
