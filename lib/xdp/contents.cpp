// SPDX-License-Identifier: Apache-2.0
#include "xdp/contents.hpp"

#include "xdp/pins.hpp"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>

namespace sluice::xdp {
namespace {

Result<std::set<std::string>> present_keys(const Target& map) {
  std::set<std::string> keys;
  std::string key(map.key_bytes, '\0');
  // Whoever changes the map beside us could send the walk back to its start: the bound ends it.
  const void* previous = nullptr;
  for (std::size_t step = 0; step <= 2 * map.limit; ++step) {
    if (bpf_map_get_next_key(map.fd, previous, key.data()) != 0) {
      if (errno == ENOENT) return keys;
      return system_failure(std::string(map.name), "cannot read the map", errno);
    }
    keys.insert(key);
    previous = key.data();
  }
  return fail(Errc::kConflict, std::string(map.name), "another process keeps changing the map");
}

}  // namespace

Result<void> make_equal(const Target& map, const Contents& wanted) {
  const auto present = present_keys(map);
  if (!present) return forward_error(present);
  const auto added = static_cast<std::size_t>(std::ranges::count_if(
      wanted, [&](const auto& entry) { return !present->contains(entry.first); }));
  if (present->size() + added > map.limit)
    return fail(Errc::kExhausted, std::string(map.where),
                "old and new need {} entries of {} in the map {}", present->size() + added,
                map.limit, map.name);

  std::string now;
  for (const auto& [key, value] : wanted) {
    // Only of what is there: a trie answers for the prefixes around a missing one.
    if (present->contains(key)) {
      now.resize(value.size());
      if (map.keep_values ||
          (bpf_map_lookup_elem(map.fd, key.data(), now.data()) == 0 && now == value))
        continue;
    }
    if (bpf_map_update_elem(map.fd, key.data(), value.data(), BPF_ANY) != 0)
      return system_failure(std::string(map.where),
                            fmt::format("cannot add to the map {}", map.name), errno);
  }
  for (const auto& key : *present)
    if (!wanted.contains(key) && bpf_map_delete_elem(map.fd, key.data()) != 0 && errno != ENOENT)
      return system_failure(std::string(map.where),
                            fmt::format("cannot remove from the map {}", map.name), errno);
  return {};
}

}  // namespace sluice::xdp
