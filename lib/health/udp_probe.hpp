// SPDX-License-Identifier: Apache-2.0
// Does a server send back by UDP what it was sent?
//
// Threads: the event loop's.
#pragma once

#include "base/event_loop.hpp"
#include "health/probe.hpp"

#include <memory>

namespace sluice::health {

/// Sixteen bytes that differ each time, from a port that differs each time. Anything else that
/// comes from the server is a fault.
/// @param loop  lives longer than the probe.
[[nodiscard]] std::unique_ptr<Probe> make_udp_probe(EventLoop& loop, const Target& target,
                                                    Probe::Answered answered);

}  // namespace sluice::health
