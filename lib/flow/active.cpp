// SPDX-License-Identifier: Apache-2.0
#include "flow/active.hpp"

namespace sluice::flow {

Active::Active(std::span<std::uint32_t> counts) noexcept : counts_(counts) {}

void Active::remove(std::size_t backend) noexcept {
  if (backend < counts_.size() && counts_[backend] != 0)
    std::atomic_ref(counts_[backend]).store(counts_[backend] - 1, std::memory_order_relaxed);
}

}  // namespace sluice::flow
