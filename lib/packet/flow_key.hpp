// SPDX-License-Identifier: Apache-2.0
// C++ names for the shared flow key, and the secret of the flow hash from text.
//
// Threads: values.
#pragma once

#include "packet/flow_key.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice {

using FlowKey = sluice_flow_key;
using HashKey = sluice_hash_key;

static_assert(sizeof(FlowKey) == 40 && sizeof(HashKey) == 56);

/// 64 uniform bits for a flow; see flow_key.h.
[[nodiscard]] inline std::uint64_t flow_hash(const FlowKey& key, const HashKey& secret) noexcept {
  return sluice_flow_hash(&key, &secret);
}

/// Expands 32 hexadecimal digits (128 bits) into the secret, by splitmix64; std::nullopt for any
/// other text. The same text gives the same secret on every node.
[[nodiscard]] std::optional<HashKey> parse_hash_key(std::string_view hex) noexcept;

/// What nodes use that were given no secret: public, so anybody can compute which flows collide.
[[nodiscard]] HashKey default_hash_key() noexcept;

}  // namespace sluice
