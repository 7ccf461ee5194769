// SPDX-License-Identifier: Apache-2.0
// What may come next on a command line: commands and options from the tree that parses them, names
// from the daemon where it answers.
//
// Threads: one; it waits a second at most for the daemon.
#pragma once

#include "client/completion_names.hpp"

#include <string>
#include <vector>

namespace sluice::client {

/// The function for bash; it asks `sluicectl complete` at each Tab.
[[nodiscard]] std::string bash_completion();

/// What may stand in place of the last word.
/// @param words  behind the program's name; the last one is begun, perhaps empty.
/// @param names  what it gives back is used as far as it is_plain_name().
/// @return whole words that begin with it, sorted; one that ends in '=' wants more behind it.
///   "!files" alone where a file's name is wanted.
[[nodiscard]] std::vector<std::string> candidates(const std::vector<std::string>& words,
                                                  const NamesOf& names);

/// The same, one a line, with names from the daemon at `usual_socket`, or where the words say;
/// without names where it does not answer.
[[nodiscard]] std::string complete(const std::string& usual_socket,
                                   const std::vector<std::string>& words);

}  // namespace sluice::client
