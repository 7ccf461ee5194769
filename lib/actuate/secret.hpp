// SPDX-License-Identifier: Apache-2.0
// Keys and tokens of actuators: one line in a file of its own, and what is signed with it.
//
// Threads: slow path; waits for the disk.
#pragma once

#include "base/private_file.hpp"
#include "base/result.hpp"

#include <cstddef>
#include <string>

namespace sluice::actuate {

constexpr std::size_t kLongestSecret =
    16384;  ///< Bytes; tokens of service accounts have some 1000.

/// The file's content without the line end behind it, see read_private_file().
/// @return its errors, and kInvalid: empty, or with characters that no header may have.
[[nodiscard]] Result<std::string> read_secret(const std::string& path,
                                              Readers readers = Readers::kNobody);

/// HMAC-SHA256 as 64 lower-case hexadecimal digits.
[[nodiscard]] std::string hmac_sha256(std::string_view key, std::string_view text);

}  // namespace sluice::actuate
