// SPDX-License-Identifier: Apache-2.0
// Parts of an answer's text, for answers that are made piece by piece and yet are, byte for byte,
// what json_answer() would make of the whole.
//
// Threads: pure functions.
#pragma once

#include "control/views.hpp"

#include <string>
#include <string_view>

namespace sluice::control {

/// The elements of a list as they stand inside `depth` objects with a list each, the innermost of
/// which it is: without its brackets and without the line's end; empty: nothing.
[[nodiscard]] std::string elements(Json list, unsigned depth);

/// What stands behind the elements of a list that is an object's only member.
inline constexpr std::string_view kEndOfList = "\n  ]\n}\n";

}  // namespace sluice::control
