// SPDX-License-Identifier: Apache-2.0
// The daemon: fast path, model, next hops and admin API around one event loop.
//
// Threads: run_daemon() turns the calling thread into the slow path until it returns.
#pragma once

#include "base/result.hpp"
#include "config/configuration.hpp"
#include "http/page.hpp"

#include <string>

namespace sluice::control {

/// Runs a node until SIGTERM or SIGINT: it is then not ready any more, goes on forwarding until its
/// traffic has ceased or `drain_timeout` is over, and stops; a second signal stops it at once.
/// SIGHUP reads `file` again: a faulty one changes nothing.
///
/// @param configuration  what `file` holds, checked.
/// @param page  what is answered at "/"; an empty one: nothing is.
/// @return the error that kept it from starting; what was set up is taken down again.
[[nodiscard]] Result<void> run_daemon(config::Configuration configuration, const std::string& file,
                                      const http::Page& page = {});

}  // namespace sluice::control
