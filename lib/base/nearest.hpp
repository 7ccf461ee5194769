// SPDX-License-Identifier: Apache-2.0
// "Did you mean ...?": the known word nearest to a mistyped one.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sluice {

/// The candidate with the smallest edit distance (insert, delete, replace, swap of neighbours) to
/// `typed`, the first of equals; empty when none is within a third of the longer word's length.
/// Cost: candidates x length^2; words above 64 characters never match.
[[nodiscard]] std::string_view nearest(std::string_view typed,
                                       std::span<const std::string_view> candidates);

/// ", did you mean 'NAME'?" or nothing: to end an error message with.
[[nodiscard]] std::string did_you_mean(std::string_view typed,
                                       std::span<const std::string_view> candidates);

}  // namespace sluice
