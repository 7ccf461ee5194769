// SPDX-License-Identifier: Apache-2.0
// What the checks found out about backends, kept over restarts in STATE_DIR/health.json. The
// operator's wishes are not in it: they are in operator.json, and never depend on this file.
//
// Threads: slow path; load and save wait for the disk.
#pragma once

#include "base/result.hpp"
#include "health/pool_health.hpp"

#include <chrono>
#include <map>
#include <string>
#include <string_view>

namespace sluice::health {

struct KeptHealth {
  std::chrono::sys_time<std::chrono::milliseconds> saved{};  ///< What times of pools relate to.
  std::map<std::string, KeptPool> pools;

  /// Time since it was saved, as far as the clock of the wall can tell: never less than 0.
  [[nodiscard]] std::chrono::milliseconds away(std::chrono::system_clock::time_point now) const;

  friend bool operator==(const KeptHealth&, const KeptHealth&) = default;
};

struct LoadedHealth {
  KeptHealth health;
  std::string problem;  ///< One sentence; empty when all is well. Nothing is known then.
};

/// Reads the file. None is no problem. A file that is damaged, or of another version, is renamed
/// beside (health.json.damaged-1 ... -9) and told of in `problem`.
[[nodiscard]] LoadedHealth load_health(const std::string& directory);

/// Writes the file whole, making the directory where it is missing.
/// @return kIo with the system's reason; the old file is then untouched.
[[nodiscard]] Result<void> save_health(const KeptHealth& health, const std::string& directory);

/// The text of the file, and back: whatever the text is, kUnsupported or kInvalid where it is none.
[[nodiscard]] std::string health_text(const KeptHealth& health);
[[nodiscard]] Result<KeptHealth> parse_health(std::string_view text);

}  // namespace sluice::health
