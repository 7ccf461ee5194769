// SPDX-License-Identifier: Apache-2.0
// `top`: looks at the daemon again and again and draws what it says, until the user quits.
//
// Threads: one; it waits for the daemon and for keys.
#pragma once

#include "base/result.hpp"
#include "client/command.hpp"
#include "client/command_line.hpp"
#include "client/http.hpp"
#include "client/output.hpp"

namespace sluice::client {

/// With `once` two looks, and the table that they make; no terminal is needed.
/// @return kInvalid for a view or column that there is not, kUnsupported without a terminal; the
///   error of the first look. Later ones are shown in the first line and tried again.
[[nodiscard]] Result<void> watch_top(Http& http, const CommandLine& line,
                                     const Environment& environment, Output& output);

}  // namespace sluice::client
