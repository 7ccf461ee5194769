// SPDX-License-Identifier: Apache-2.0
// `events --follow`: every event once, in order, over restarts of the daemon.
//
// Threads: one.
#pragma once

#include "base/result.hpp"
#include "client/http.hpp"
#include "client/output.hpp"
#include "client/show.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace sluice::client {

struct Following {
  std::optional<std::uint64_t>
      since;          ///< First event; without it the last kBacklog and what comes.
  bool json = false;  ///< One JSON object a line instead of text.
  bool colour = false;
  int interrupt = -1;  ///< Becomes readable when the user wants to stop; -1: nothing does.
  std::chrono::milliseconds first_pause{250};  ///< Between tries while the daemon is away; doubles,
  std::chrono::milliseconds longest_pause{5000};  ///< up to this.
};

inline constexpr std::size_t kBacklog = 10;

/// Prints events until interrupted or the reader goes away. A daemon that goes away later is waited
/// for; one that was restarted numbers its events anew, and all it has are printed.
/// @return the error of the first request, or of an answer that makes no sense.
[[nodiscard]] Result<void> follow_events(Http& http, Output& output, const Following& how);

}  // namespace sluice::client
