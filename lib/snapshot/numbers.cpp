// SPDX-License-Identifier: Apache-2.0
#include "snapshot/numbers.hpp"

#include <algorithm>
#include <set>
#include <vector>

namespace sluice::snapshot {

Result<void> Numbers::use(std::span<const std::string> names, Time now) {
  const std::set<std::string> wanted(names.begin(), names.end());
  std::vector<const std::string*> fresh;
  for (const auto& name : wanted)
    if (!in_use_.contains(name)) fresh.push_back(&name);
  auto rested = static_cast<std::size_t>(
      std::ranges::find_if(resting_, [&](const Resting& r) { return r.until > now; }) -
      resting_.begin());
  if (fresh.size() > rested + (limit_ - next_)) {
    const auto wait = rested < resting_.size()
                          ? std::chrono::ceil<std::chrono::seconds>(resting_[rested].until - now)
                          : std::chrono::seconds(0);
    return fail(Errc::kExhausted, "",
                "{} new names, but only {} of {} numbers are free; the next "
                "one is free in {} s",
                fresh.size(), rested + (limit_ - next_), limit_, wait.count());
  }

  for (auto it = in_use_.begin(); it != in_use_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    resting_.push_back({it->second, now + rest_});
    it = in_use_.erase(it);
  }
  for (const auto* name : fresh) {  // rested numbers first: tables by number stay short
    if (rested > 0) {
      in_use_[*name] = resting_.front().number;
      resting_.pop_front();
      --rested;
    } else {
      in_use_[*name] = static_cast<std::uint16_t>(next_++);
    }
  }
  return {};
}

std::uint16_t Numbers::of(const std::string& name) const noexcept {
  const auto it = in_use_.find(name);
  return it == in_use_.end() ? kNoNumber : it->second;
}

}  // namespace sluice::snapshot
