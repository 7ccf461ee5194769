// SPDX-License-Identifier: Apache-2.0
// Who changed what by the admin API: an event for each change, which is also a line of the journal.
//
// Threads: slow path.
#pragma once

#include "control/event_log.hpp"
#include "control/views.hpp"
#include "http/message.hpp"

#include <string>
#include <string_view>

namespace sluice::control {

/// "user root (uid 0, gid 0, pid 4711)", or "token ci at 127.0.0.1:4242". The name is looked up in
/// `passwd` alone: a directory server would make the slow path wait.
[[nodiscard]] std::string who(const http::Peer& peer, const std::string& passwd = "/etc/passwd");

/// Notes a change that was made. Never only counted, however many there are.
///
/// @param changes  [{"path", "before", "after"}]; the first kMostChanges are told. No secrets.
void audit(EventLog& events, const http::Peer& peer, std::string_view what, const Json& changes);

inline constexpr std::size_t kMostChanges = 10;

}  // namespace sluice::control
