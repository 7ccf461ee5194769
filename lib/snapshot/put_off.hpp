// SPDX-License-Identifier: Apache-2.0
// What of a change waits for the next snapshot, so that building one takes no longer than it may:
// a node of a hundred pools whose health changes at once has a hundred tables to build.
//
// Threads: pure functions.
#pragma once

#include "snapshot/snapshot.hpp"

#include <cstddef>
#include <optional>

namespace sluice::snapshot {

/// Lets those pools whose tables are to be built anew have them, from pool `from` on and round, as
/// long as they have `entries` entries together, but one at least. Backends of the others get the
/// weight and the state back that `before` has of them, so that their tables are kept: a pool takes
/// its change whole or not yet. All else that is said of them stands. A pool is never put off that
/// has other backends than before, another size, or nobody who takes flows: that costs nothing.
///
/// @return the first pool that was put off, from which the next call goes on; std::nullopt: none.
/// Cost: 10 ns a backend.
[[nodiscard]] std::optional<std::size_t> put_off(Input& input, const Snapshot& before,
                                                 std::size_t from, std::size_t entries);

}  // namespace sluice::snapshot
