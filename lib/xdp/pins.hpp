// SPDX-License-Identifier: Apache-2.0
// The pin directory of a node: made, locked by its owner, and rid of what does not fit.
//
// Threads: slow path only.
#pragma once

#include "base/result.hpp"
#include "base/unique_fd.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct bpf_map;

namespace sluice::xdp {

/// A system call's failure with its remedy: EPERM and EACCES name the capabilities, ENOMEM the
/// memory lock limit. `what`: "cannot make the directory".
[[nodiscard]] tl::unexpected<Error> system_failure(std::string where, std::string_view what,
                                                   int error);

/// A node or interface name as the BPF file system takes it: it knows no names with a dot, so '.'
/// becomes "%2e" and '%' "%25".
[[nodiscard]] std::string pin_name(std::string_view name);
/// The name that gave this pin name.
[[nodiscard]] std::string name_of_pin(std::string_view pin);

/// kInvalid unless `node` is 1 to 64 of A-Z a-z 0-9 _ . - and neither "." nor "..".
[[nodiscard]] Result<void> check_node_name(std::string_view node);

/// Makes sure that `root` is (to be) a directory on a BPF file system; mounts one at /sys/fs/bpf
/// when `root` is below that and nothing is mounted.
[[nodiscard]] Result<void> ensure_bpf_file_system(const std::string& root);

/// Makes the directory, mode 0700. One that is there already is no error.
[[nodiscard]] Result<void> make_directory(const std::string& path);

/// Makes and locks the directory: one process at a time. The kernel unlocks it when the process
/// ends.
/// @return the lock, or kConflict when another process holds it.
[[nodiscard]] Result<UniqueFd> claim_directory(const std::string& path);

/// Names in a directory in no order; empty when it cannot be read.
[[nodiscard]] std::vector<std::string> entries(const std::string& path);

enum class Pinned : std::uint8_t { kNothing, kMap, kProgram, kLink, kForeign };

/// What is pinned at `path`, and a descriptor of it for the three kinds of BPF object.
struct Pin {
  Pinned kind = Pinned::kNothing;
  UniqueFd fd;
  int error = 0;  ///< Why a BPF object could not be opened (kForeign then): too many descriptors.
};
[[nodiscard]] Pin open_pin(const std::string& path);

/// Makes room for `map` at `path`: keeps a map of the same type, sizes and flags, removes whatever
/// else is pinned there and says so in the log.
/// @return true when a map was kept; kConflict when a directory is in the way.
[[nodiscard]] Result<bool> keep_fitting_map(const std::string& path, const bpf_map* map);

/// Removes one pin; that it is not there is no error.
[[nodiscard]] Result<void> remove_pin(const std::string& path);

/// Removes an empty directory. One that is not empty stays, and the log names what is in it.
void remove_directory(const std::string& path);

}  // namespace sluice::xdp
