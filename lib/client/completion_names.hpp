// SPDX-License-Identifier: Apache-2.0
// Names that complete a word: asked of the daemon, or read from a configuration file.
//
// Threads: values; the functions that ask wait for the daemon or the disk.
#pragma once

#include "client/http.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::client {

/// Kinds of names that the command line does not know by itself.
enum class NameKind : std::uint8_t { kPool, kBackend, kPoolAndBackend, kService, kVerdict, kClass };

/// Where the names are looked for.
struct NameScope {
  std::string pool = {};  ///< Backends and classes of this pool only; empty: of all.
  std::string file = {};  ///< A configuration file to read instead of asking the daemon.
};

/// Names of that kind.
using NamesOf = std::function<std::vector<std::string>(NameKind kind, const NameScope& scope)>;

/// Whether a shell takes the word for nothing but a word, and sluicectl for no option.
[[nodiscard]] bool is_plain_name(std::string_view word) noexcept;

/// The daemon's list that has names of that kind: what to GET.
[[nodiscard]] std::string target_of(NameKind kind, const std::string& pool);

/// Names in the body of the answer to it; of one that is none of ours nothing. Any bytes may come
/// in; what goes out need not be plain.
[[nodiscard]] std::vector<std::string> names_in(NameKind kind, const std::string& pool,
                                                std::string_view body);

/// Names of pools or classes in a configuration file; of one that is no file or has faults none.
[[nodiscard]] std::vector<std::string> names_of_file(NameKind kind, const NameScope& scope);

/// Names from the daemon, or from the file that the scope names.
[[nodiscard]] std::vector<std::string> names_from(Http& http, NameKind kind,
                                                  const NameScope& scope);

}  // namespace sluice::client
