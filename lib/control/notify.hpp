// SPDX-License-Identifier: Apache-2.0
// Tells systemd how the daemon is, where it runs under systemd.
//
// Threads: slow path.
#pragma once

namespace sluice::control {

/// sd_notify(3): "READY=1", "STATUS=...". Does nothing without $NOTIFY_SOCKET or libsystemd.
void notify(const char* state) noexcept;
/// "RELOADING=1" with the time that systemd wants beside it.
void notify_reloading() noexcept;

}  // namespace sluice::control
