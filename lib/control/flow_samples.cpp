// SPDX-License-Identifier: Apache-2.0
#include "control/flow_samples.hpp"

#include <algorithm>

namespace sluice::control {

std::uint64_t each_sample(const flow::Cache& cache, std::uint64_t start,
                          const std::function<bool(const flow::Sample&)>& take) {
  const auto lines = std::min(cache.lines(), kMostSampledLines);
  std::uint64_t looked_at = 0;
  for (std::size_t i = 0; i < lines; ++i) {
    for (unsigned way = 0; way < flow::kFlowsInLine; ++way) {
      ++looked_at;
      const auto sample = cache.sample((start + i) & (cache.lines() - 1), way);
      if (sample.state != flow::State::kFree && !take(sample)) return looked_at;
    }
  }
  return looked_at;
}

std::optional<flow::Sample> find_sample(const flow::Cache& cache, std::uint64_t hash,
                                        flow::Tick now, flow::Tick timeout) {
  for (unsigned way = 0; way < flow::kNoWay; ++way) {
    const auto sample = cache.sample(hash & (cache.lines() - 1), way);
    const auto mark = flow::detail::mark_of(sample.state, sample.tick);
    if (sample.state != flow::State::kFree && sample.tag == flow::Cache::tag_of(hash) &&
        !flow::detail::is_expired(mark, now, timeout))
      return sample;
  }
  return std::nullopt;
}

}  // namespace sluice::control
