// SPDX-License-Identifier: Apache-2.0
#include "control/slow_start.hpp"

#include <algorithm>
#include <cstdint>

namespace sluice::control {
namespace {

constexpr std::chrono::hours kLongAgo{24};  // more than any slow start lasts

}  // namespace

void SlowStart::apply(const config::Configuration& running, Time now, snapshot::Input& input) {
  std::map<std::string, Time> since;
  next_.reset();
  for (std::size_t p = 0; p < input.pools.size(); ++p) {
    auto& pool = input.pools[p];
    const auto lasts = running.pools[p].slow_start;
    const auto known = [&](const snapshot::BackendInput& backend) {
      return since_.find(pool.name + "/" + backend.name);
    };
    const bool all_new = std::ranges::none_of(
        pool.backends, [&](const auto& b) { return known(b) != since_.end(); });
    for (auto& backend : pool.backends) {
      if (!backend.takes_new_flows()) continue;  // comes back as a newcomer
      const auto before = known(backend);
      const auto began = before != since_.end() ? before->second
                         : first_ || all_new    ? now - kLongAgo
                                                : now;
      since.emplace(pool.name + "/" + backend.name, began);
      if (began + lasts <= now) continue;
      const auto step = std::chrono::milliseconds(lasts) / kSteps;
      const auto taken = std::min<std::int64_t>((now - began) / step, kSteps - 1);
      const auto scaled =
          std::uint64_t{backend.weight} * static_cast<std::uint64_t>(taken + 1) / kSteps;
      backend.weight = static_cast<std::uint32_t>(std::max<std::uint64_t>(scaled, 1));
      const auto due = began + (taken + 1) * step;
      if (taken + 1 < kSteps && (!next_ || due < *next_)) next_ = due;
    }
  }
  since_ = std::move(since);
  first_ = false;
}

}  // namespace sluice::control
