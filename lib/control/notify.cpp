// SPDX-License-Identifier: Apache-2.0
#include "control/notify.hpp"

#include <chrono>

#ifdef SLUICE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

namespace sluice::control {

void notify(const char* state) noexcept {
#ifdef SLUICE_SYSTEMD
  sd_notify(0, state);
#else
  static_cast<void>(state);
#endif
}

void notify_reloading() noexcept {
#ifdef SLUICE_SYSTEMD
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  sd_notifyf(
      0, "RELOADING=1\nMONOTONIC_USEC=%lld",
      static_cast<long long>(std::chrono::duration_cast<std::chrono::microseconds>(now).count()));
#endif
}

}  // namespace sluice::control
