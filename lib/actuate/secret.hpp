// SPDX-License-Identifier: Apache-2.0
// Keys and tokens in files that nobody else may read.
//
// Threads: slow path; waits for the disk.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <string>

namespace sluice::actuate {

constexpr std::size_t kLongestSecret =
    16384;  ///< Bytes; tokens of service accounts have some 1000.

/// Who else may read such a file.
enum class Readers : std::uint8_t {
  kNobody,
  /// Group and others, where the file is on a mount that is read-only here: so Kubernetes projects
  /// tokens of service accounts into a container, mode 0644, and nobody there could change that.
  kOfReadOnlyMount,
};

/// The file's content without the line end behind it. Read anew for each use, so that a new key or
/// token counts at once; a symbolic link is followed each time, so that a projected volume may
/// swap what is behind it. The content is in no message.
/// @return kInvalid: empty, too long, no plain file, with characters that no header may have, or
///   one that others may use, see `readers`; kNotFound, kIo.
[[nodiscard]] Result<std::string> read_secret(const std::string& path,
                                              Readers readers = Readers::kNobody);

/// What of a file decides that.
struct FileFacts {
  unsigned mode = 0;
  unsigned owner = 0;
  bool read_only = false;  ///< Its mount is.
};
/// @return kInvalid with the remedy when others may use the file more than `readers` allows.
[[nodiscard]] Result<void> check_readers(const std::string& path, const FileFacts& facts,
                                         Readers readers, unsigned own_user);

/// HMAC-SHA256 as 64 lower-case hexadecimal digits.
[[nodiscard]] std::string hmac_sha256(std::string_view key, std::string_view text);

}  // namespace sluice::actuate
