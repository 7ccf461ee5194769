// SPDX-License-Identifier: Apache-2.0
// Who changed what by the admin API or a signal: an event for each change, which is also a line of
// the journal.
//
// Threads: slow path.
#pragma once

#include "base/event_loop.hpp"
#include "config/configuration.hpp"
#include "control/event_log.hpp"
#include "control/views.hpp"
#include "http/message.hpp"

#include <string>
#include <string_view>

namespace sluice::control {

/// "user root (uid 0, gid 0, pid 4711)", or "token ci at 127.0.0.1:4242". The name is looked up in
/// `passwd` alone: a directory server would make the slow path wait.
[[nodiscard]] std::string who(const http::Peer& peer, const std::string& passwd = "/etc/passwd");

/// "signal SIGHUP of user root (uid 0, pid 4711)".
[[nodiscard]] std::string who_signalled(int signal, const EventLoop::Sender& from,
                                        const std::string& passwd = "/etc/passwd");

/// Notes a change that was made. Never only counted, however many there are.
///
/// @param changes  [{"path", "before", "after"}]; the first kMostChanges are told. No secrets.
void audit(EventLog& events, std::string_view who, std::string_view what, const Json& changes);

/// Likewise, the changes from one running configuration to another.
void audit(EventLog& events, std::string_view who, std::string_view what,
           const config::Configuration& before, const config::Configuration& after);

inline constexpr std::size_t kMostChanges = 10;

}  // namespace sluice::control
