// SPDX-License-Identifier: Apache-2.0
#include "http/allowance.hpp"

#include <algorithm>
#include <cstdint>

namespace sluice::http {
namespace {

std::chrono::seconds until_paid(Allowance::Cost excess, double share) {
  const auto seconds = std::chrono::duration<double>(excess).count() / share;
  return std::chrono::seconds(1 + static_cast<std::int64_t>(std::min(seconds, 3600.0)));
}

}  // namespace

void Allowance::settle(Debt& debt, double share, Time now) {
  if (now > debt.at) {
    const auto paid = std::chrono::duration<double>(now - debt.at) * share;
    const auto left = std::chrono::duration<double>(debt.left) - paid;
    debt.left = left.count() <= 0 ? Cost{0} : std::chrono::duration_cast<Cost>(left);
  }
  debt.at = now;
}

std::chrono::seconds Allowance::wait(const std::string& address, Time now) {
  settle(all_, limits_.share_of_all, now);
  std::chrono::seconds wait{0};
  if (all_.left > limits_.burst_of_all)
    wait = until_paid(all_.left - limits_.burst_of_all, limits_.share_of_all);
  const auto found = debts_.find(address);
  if (found == debts_.end()) return wait;
  settle(found->second, limits_.share, now);
  if (found->second.left == Cost{0}) {
    debts_.erase(found);
    return wait;
  }
  if (found->second.left > limits_.burst)
    wait = std::max(wait, until_paid(found->second.left - limits_.burst, limits_.share));
  return wait;
}

void Allowance::charge(const std::string& address, Cost cost, Time now) {
  settle(all_, limits_.share_of_all, now);
  all_.left += cost;
  auto found = debts_.find(address);
  if (found == debts_.end()) {
    if (debts_.size() >= limits_.addresses) {
      debts_.erase(
          std::ranges::min_element(debts_, {}, [](const auto& entry) { return entry.second.at; }));
    }
    found = debts_.emplace(address, Debt{Cost{0}, now}).first;
  }
  settle(found->second, limits_.share, now);
  found->second.left += cost;
}

}  // namespace sluice::http
