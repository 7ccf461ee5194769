// SPDX-License-Identifier: Apache-2.0
// State that outlives the daemon: a JSON value in a file of its own, with a version and a checksum.
// A damaged file is never read half, and never lost: it is kept beside.
//
// Threads: slow path; these functions wait for the disk.
#pragma once

#include "base/result.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace sluice {

constexpr std::size_t kLongestStateFile = std::size_t{16} << 20U;

/// The file's text: {"version", "checksum", "body"}. The checksum tells a damaged file from a whole
/// one; it is no protection against an attacker, who could write any state anyway.
[[nodiscard]] std::string state_text(unsigned version, const nlohmann::json& body);
/// The same of a body as nlohmann::json::dump() writes it: keys sorted, no spaces. For who has a
/// long one and writes it straight.
[[nodiscard]] std::string state_text_of(unsigned version, std::string_view body);

/// Reads such a text.
/// @param take  is given the body; it may throw what nlohmann::json and the standard library do.
/// @return kUnsupported (another version) or kInvalid (anything else), with a message to be put
///   after the file's name: "does not match its checksum".
[[nodiscard]] Result<void> parse_state(std::string_view text, unsigned version,
                                       const std::function<void(const nlohmann::json& body)>& take);

/// Reads a file. None is no problem, and take() is not called then. A file that is damaged, or of
/// another version, is renamed to PATH.damaged-1 ... -9.
/// @param take  likewise; what it did before it threw is the caller's to undo.
/// @return the problem, one sentence, that ends where the caller may go on; empty: there is none.
[[nodiscard]] std::string load_state(const std::filesystem::path& path, unsigned version,
                                     const std::function<void(const nlohmann::json& body)>& take);

/// Renames a damaged file to PATH.damaged-1 ... -9. @return where it is now, or why it is not; to
/// be put behind what is wrong with it.
[[nodiscard]] std::string put_aside(const std::filesystem::path& path);

/// Writes a file whole, making its folder where it is missing.
/// @return kIo with the system's reason; the old file is then untouched.
[[nodiscard]] Result<void> save_state(const std::filesystem::path& path, unsigned version,
                                      const nlohmann::json& body);
/// The same of a text from state_text() or state_text_of().
[[nodiscard]] Result<void> save_state_text(const std::filesystem::path& path,
                                           std::string_view text);

}  // namespace sluice
