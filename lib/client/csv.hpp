// SPDX-License-Identifier: Apache-2.0
// Lists of the admin API as CSV (RFC 4180): plain numbers, columns in a fixed order. New columns
// are only ever added, at the end.
//
// Threads: values.
#pragma once

#include "base/result.hpp"
#include "client/command_line.hpp"
#include "client/view.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace sluice::client {

/// Whether a command prints a list, which can be CSV.
[[nodiscard]] bool has_csv(Command command) noexcept;

/// Titles of a list command's columns, in their order.
[[nodiscard]] std::vector<std::string_view> csv_titles(Command command);

/// Title line and one line for each item, ended by CR LF. What an item does not have is empty; a
/// list within an item is its elements with a space between.
/// @return kIo when the answer has no such list.
[[nodiscard]] Result<std::string> csv_of(Command command, const View& answer);

/// The lines alone, for a list that comes in parts.
[[nodiscard]] Result<std::string> csv_lines(Command command, const View& answer);
[[nodiscard]] std::string csv_title_line(Command command);

/// Title line and a line for each object of `rows`, all with the members of the first; an object
/// within one is its members as NAME=VALUE with a space between.
/// @param rows  a list of objects; of none the text is empty.
[[nodiscard]] std::string csv_of_rows(const nlohmann::ordered_json& rows);

/// A field: quoted where it has to be.
[[nodiscard]] std::string csv_field(std::string_view text);

}  // namespace sluice::client
