// SPDX-License-Identifier: Apache-2.0
// Bytes by which an answer is told from a stranger's guess.
//
// Threads: any.
#pragma once

#include <sys/random.h>

#include <array>
#include <cstddef>

namespace sluice::health {

using Nonce = std::array<std::byte, 16>;

/// From the kernel's generator, which does not fail for so few bytes once the system runs.
[[nodiscard]] inline Nonce make_nonce() noexcept {
  Nonce nonce{};
  (void)!::getrandom(nonce.data(), nonce.size(), 0);
  return nonce;
}

}  // namespace sluice::health
