// SPDX-License-Identifier: Apache-2.0
#include "control/announcement.hpp"

#include <fmt/format.h>

#include <set>
#include <utility>

namespace sluice::control {

std::vector<IpAddress> service_addresses(const config::Configuration& running) {
  std::set<IpAddress> addresses;
  for (const auto& service : running.services) addresses.insert(service.address);
  return {addresses.begin(), addresses.end()};
}

void Announcement::step(std::string_view trouble, const config::Configuration& running,
                        EventLoop::Clock::time_point now) {
  auto wanted = trouble.empty() ? service_addresses(running) : std::vector<IpAddress>();
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
  if (announced_.empty() || wanted.empty())
    events_.add(
        wanted.empty() ? Level::kWarn : Level::kInfo, "announce",
        wanted.empty() ? "withdrawn" : "announced",
        fmt::format("{} addresses on {}{}{}", wanted.empty() ? announced_.size() : wanted.size(),
                    link(), trouble.empty() ? "" : ": ", trouble));
  announced_ = std::move(wanted);
}

}  // namespace sluice::control
