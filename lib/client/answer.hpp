// SPDX-License-Identifier: Apache-2.0
// What an answer of the admin API means: JSON or not, done or refused.
//
// Threads: values.
#pragma once

#include "base/result.hpp"
#include "client/http.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

namespace sluice::client {

/// An answer nested deeper than this is none of ours: it is refused before memory is spent on it.
inline constexpr std::size_t kDeepestAnswer = 64;

/// @return the JSON value; kIo for what is not JSON or nested too deeply.
[[nodiscard]] Result<nlohmann::json> parse_answer(std::string_view body);

/// The JSON text laid out over lines, two spaces a level. No token changes, so numbers keep every
/// digit and objects their order; only control characters that JSON allows in strings (DEL, C1) are
/// written as escapes, so that they cannot steer a terminal.
/// @return the text, ended by a line feed; kIo as parse_answer().
[[nodiscard]] Result<std::string> lay_out(std::string_view body);

/// The daemon's error of an answer whose status is not 2xx: `where` and `message` as it sent them
/// (printable), its faults below, one a line. kInvalid exactly when the daemon says so.
[[nodiscard]] Error refusal(const Answer& answer);

}  // namespace sluice::client
