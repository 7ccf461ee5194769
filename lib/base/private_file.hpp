// SPDX-License-Identifier: Apache-2.0
// Keys and tokens in files: bounded reading that never waits for a pipe or a device, and only of
// files that nobody else could have read or changed.
//
// Threads: slow path; waits for the disk.
#pragma once

#include "base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace sluice {

/// Who may use such a file beside its owner.
enum class Readers : std::uint8_t {
  kNobody,
  /// Group and others may read it where the file is on a mount that is read-only here: so
  /// Kubernetes projects tokens of service accounts into a container, mode 0644, and nobody there
  /// could change that.
  kOfReadOnlyMount,
  kAnyone,  ///< It is no secret: a certificate. Neither mode nor owner is looked at.
};

/// Reads a file of at most `limit` bytes. Read it anew for each use, so that a new key or token
/// counts at once; a symbolic link is followed each time, so that a projected volume may swap what
/// is behind it. The content is in no message.
/// @return kInvalid: too long, no plain file, or one that others may use, see check_readers();
///   kNotFound, kIo.
[[nodiscard]] Result<std::string> read_private_file(const std::string& path, std::size_t limit,
                                                    Readers readers = Readers::kNobody);

/// What of a file decides that.
struct FileFacts {
  unsigned mode = 0;
  unsigned owner = 0;
  bool read_only = false;  ///< Its mount is.
};

/// @param own_user  whom this process is: he and root may own the file.
/// @return kInvalid with the remedy when others may use the file more than `readers` allows: by its
///   mode, or because it is theirs.
[[nodiscard]] Result<void> check_readers(const std::string& path, const FileFacts& facts,
                                         Readers readers, unsigned own_user);

}  // namespace sluice
