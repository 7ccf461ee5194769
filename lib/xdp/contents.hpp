// SPDX-License-Identifier: Apache-2.0
// A BPF map's whole contents, made equal to what is wanted while programs read it.
//
// Threads: slow path only.
#pragma once

#include "base/result.hpp"

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>

namespace sluice::xdp {

/// Keys and values by their bytes.
using Contents = std::map<std::string, std::string>;

template <class T>
[[nodiscard]] std::string bytes_of(const T& value) {
  static_assert(std::has_unique_object_representations_v<T>, "padding would be compared");
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// A map to fill: a hash map or an LPM trie.
struct Target {
  int fd;
  std::string_view name;   ///< Of the map, for errors: "sluice_services".
  std::string_view where;  ///< Of what it is filled from: "/services".
  std::size_t key_bytes;
  std::size_t limit;         ///< Entries that the map has room for.
  bool keep_values = false;  ///< Values belong to the programs: an entry that is there stays as is.
};

/// Makes the map hold exactly `wanted`. What is in both the old and the new set is there at every
/// moment: changed and new entries are written first, then old ones removed.
/// Cost: three system calls an entry that is there, one that is new.
/// @return kExhausted (old and new together exceed the limit; nothing is changed), kConflict
///   (another process keeps changing the map), kIo.
[[nodiscard]] Result<void> make_equal(const Target& map, const Contents& wanted);

}  // namespace sluice::xdp
