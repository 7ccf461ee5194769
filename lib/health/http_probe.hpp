// SPDX-License-Identifier: Apache-2.0
// Does a server answer a request by HTTP/1.1 without TLS? The check of most pools, in half the time
// that libcurl takes for it; see docs/design/health-checks.md.
//
// Threads: the event loop's.
#pragma once

#include "base/event_loop.hpp"
#include "health/probe.hpp"

#include <memory>

namespace sluice::health {

/// Each question has a connection of its own, closed by a reset. No redirects, no cookies.
/// @param target  of type http, or a preset of it.
/// @param loop    lives longer than the probe.
[[nodiscard]] std::unique_ptr<Probe> make_http_probe(EventLoop& loop, const Target& target,
                                                     Probe::Answered answered);

}  // namespace sluice::health
