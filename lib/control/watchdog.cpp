// SPDX-License-Identifier: Apache-2.0
#include "control/watchdog.hpp"

#include "control/notify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>

#ifdef SLUICE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

namespace sluice::control {

std::optional<std::chrono::milliseconds> Watchdog::period() noexcept {
#ifdef SLUICE_SYSTEMD
  std::uint64_t limit = 0;  // microseconds
  if (sd_watchdog_enabled(0, &limit) <= 0) return std::nullopt;
  // Never so often that it disturbs, however short the limit; and some set it to "never".
  constexpr std::uint64_t kLongest = 60'000;
  return std::chrono::milliseconds(std::clamp<std::uint64_t>(limit / 4'000, 1, kLongest));
#else
  return std::nullopt;
#endif
}

void Watchdog::step() {
  const auto stuck = stuck_(period_);
  if (!stuck) notify("WATCHDOG=1");
  if (stuck.has_value() == withheld_) return;
  withheld_ = stuck.has_value();
  if (!stuck) {
    notify("STATUS=forwarding");
    events_.add(Level::kInfo, "watchdog", "fed_again", "all workers turn again");
    return;
  }
  const auto why =
      fmt::format("worker {} has not turned for more than {} ms", *stuck, period_.count());
  notify(fmt::format("STATUS={}", why).c_str());
  events_.add(Level::kError, "watchdog", "withheld",
              why + "; if that lasts, systemd restarts the service");
}

}  // namespace sluice::control
