// SPDX-License-Identifier: Apache-2.0
// Orders as JSON, and the JSON that comes back: from programs and web servers, so bounded and
// checked.
//
// Threads: pure functions.
#pragma once

#include "actuate/order.hpp"
#include "base/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::actuate {

constexpr std::size_t kLongestAnswer = std::size_t{1} << 20U;  ///< Bytes.

/// {"action","id","pool"}, "owner" where there is one and, but for a list, "class" and "name".
[[nodiscard]] std::string text_of(const Order& order);

/// Backends out of {"backends":[{"name","address","port","class","state","owner"}]}; "port",
/// "class", "state" ("awake", "asleep") and "owner" may be missing, keys that are not known are
/// passed over.
/// @return kInvalid with the JSON pointer: not JSON, too long, too many, a name or an address that
///   no backend has, a name twice.
[[nodiscard]] Result<std::vector<Member>> parse_members(std::string_view text);

/// What a done order's answer makes of it: of start and wake the one, of list all, of others
/// nothing. @return as parse_members().
[[nodiscard]] Result<Report> parse_answer(const Order& order, std::string_view text);

/// Whether a backend may have the name: 1 to 64 of A-Z a-z 0-9 _ . -
[[nodiscard]] bool is_name(std::string_view text) noexcept;
/// Why no host has the address; empty: one may.
[[nodiscard]] std::string_view against_address(const IpAddress& address) noexcept;

/// Text of a stranger, fit for an event: printable ASCII, one blank for blanks and line ends, cut
/// with "..." behind `longest` bytes.
[[nodiscard]] std::string printable(std::string_view text, std::size_t longest = 200);

}  // namespace sluice::actuate
