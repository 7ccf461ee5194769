// SPDX-License-Identifier: Apache-2.0
// Does a server listen? A SYN that its kernel answers, and a reset: the server itself never hears
// of it.
//
// Threads: the event loop's.
#pragma once

#include "base/event_loop.hpp"
#include "health/probe.hpp"

#include <memory>

namespace sluice::health {

/// @param loop  lives longer than the probe.
[[nodiscard]] std::unique_ptr<Probe> make_tcp_probe(EventLoop& loop, const Target& target,
                                                    Probe::Answered answered);

}  // namespace sluice::health
