// SPDX-License-Identifier: Apache-2.0
#include "control/announcement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace sluice::control {
namespace {

// Names of the pools that serve, and of those whose overflow goes to one that does.
std::set<std::string_view> serving(const config::Configuration& running, const PoolServes& serves) {
  std::set<std::string_view> names;
  for (const auto& pool : running.pools)
    if (!serves || serves(pool)) names.insert(pool.name);
  for (bool more = true; std::exchange(more, false);)
    for (const auto& pool : running.pools)
      if (names.contains(pool.overflow)) more = names.insert(pool.name).second || more;
  return names;
}

}  // namespace

std::vector<IpAddress> service_addresses(const config::Configuration& running,
                                         const PoolServes& serves) {
  const auto pools = serving(running, serves);
  std::set<IpAddress> addresses;
  for (const auto& service : running.services)
    if (pools.contains(service.pool) || std::ranges::any_of(service.shards, [&](const auto& shard) {
          return pools.contains(shard.pool);
        }))
      addresses.insert(service.address);
  return {addresses.begin(), addresses.end()};
}

void Announcement::step(std::string_view trouble, const config::Configuration& running,
                        EventLoop::Clock::time_point now, const PoolServes& serves) {
  auto wanted = trouble.empty() ? service_addresses(running, serves) : std::vector<IpAddress>();
  if (wanted == announced_ && now < mend_at_) return;
  mend_at_ = now + kMendEvery;
  const auto set = announcer_->set(wanted);
  auto problem = set ? std::string() : set.error().text();
  if (problem != problem_) {
    problem_ = std::move(problem);
    if (problem_.empty())
      events_.add(Level::kInfo, "announce", "mended", "the link has what it should again");
    else
      events_.add(Level::kError, "announce", "failed", problem_ + "; tried again every 5 s");
  }
  if (wanted == announced_) return;
  tell(wanted, trouble, running);
  announced_ = std::move(wanted);
}

// All addresses in one event, or else each whose services lost or regained their last backend.
void Announcement::tell(const std::vector<IpAddress>& wanted, std::string_view trouble,
                        const config::Configuration& running) {
  if (announced_.empty() || wanted.empty()) {
    const std::string_view why =
        wanted.empty() && trouble.empty() ? "no backend serves them" : trouble;
    events_.add(
        wanted.empty() ? Level::kWarn : Level::kInfo, "announce",
        wanted.empty() ? "withdrawn" : "announced",
        fmt::format("{} addresses on {}{}{}", wanted.empty() ? announced_.size() : wanted.size(),
                    link(), why.empty() ? "" : ": ", why));
    return;
  }
  for (const auto& address : service_addresses(running)) {
    const bool before = std::ranges::binary_search(announced_, address);
    const bool after = std::ranges::binary_search(wanted, address);
    if (before && !after)
      events_.add(Level::kWarn, "announce", "withdrawn",
                  fmt::format("{} on {}: no backend serves it", address.text(), link()));
    if (after && !before)
      events_.add(Level::kInfo, "announce", "announced",
                  fmt::format("{} on {}", address.text(), link()));
  }
}

}  // namespace sluice::control
