// SPDX-License-Identifier: Apache-2.0
// Runs independent pieces of slow-path work on several cores, but never on a worker's.
//
// Threads: slow path; returns when all pieces are done.
#pragma once

#include <cstddef>
#include <functional>

namespace sluice::snapshot {

/// Runs piece(0) ... piece(count - 1), in any order and possibly at once, on the cores that the
/// calling thread may run on now. One core, or one piece: in order, on the caller.
void in_parallel(std::size_t count, const std::function<void(std::size_t)>& piece);

}  // namespace sluice::snapshot
