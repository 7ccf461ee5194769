// SPDX-License-Identifier: Apache-2.0
#include "flow/meter.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <bit>

namespace sluice::flow {

Rate Rate::of(std::uint64_t tokens_per_second, unsigned workers, std::uint64_t cycles_per_second,
              std::uint32_t least_burst) noexcept {
  constexpr std::uint64_t kSlowest = (std::uint64_t{1} << 40) - 1;
  constexpr std::uint64_t kLargestBurst = 65536;
  if (tokens_per_second == 0) return {kSlowest, 1};
  // Not below the rate asked for by more than a token's rounding, and never above it.
  const std::uint64_t cycles =
      (cycles_per_second * workers + tokens_per_second - 1) / tokens_per_second;
  const std::uint64_t burst =
      std::max<std::uint64_t>(least_burst, tokens_per_second / (std::uint64_t{10} * workers));
  return {std::clamp<std::uint64_t>(cycles, 1, kSlowest),
          static_cast<std::uint32_t>(std::clamp<std::uint64_t>(burst, 1, kLargestBurst))};
}

SourceMeter::SourceMeter(std::span<MeterLine> lines) noexcept
    : lines_(lines.data()), mask_(lines.size() - 1) {
  SLUICE_ASSERT(std::has_single_bit(lines.size()), "a source meter has a power of two of lines");
}

bool SourceMeter::allow(std::uint64_t source_hash, std::uint64_t now, const Rate& rate) noexcept {
  MeterLine& line = lines_[source_hash & mask_];
  const auto tag = static_cast<std::uint32_t>(source_hash >> 32);
  unsigned way = 0;
  bool known = false;
  for (unsigned w = 0; w < kSourcesInLine && !known; ++w) {
    known = line.tag[w] == tag && line.full_at[w] != 0;
    if (known || line.full_at[w] < line.full_at[way]) way = w;
  }
  const std::uint64_t whole = rate.cycles_per_token * rate.burst;
  // No bucket is emptier than empty: bounds what a change of the rate leaves behind.
  const std::uint64_t full_at = known ? std::clamp(line.full_at[way], now, now + whole) : now;
  const bool allowed = full_at + rate.cycles_per_token <= now + whole;
  line.tag[way] = tag;
  line.full_at[way] = full_at + (allowed ? rate.cycles_per_token : 0);
  return allowed;
}

}  // namespace sluice::flow
