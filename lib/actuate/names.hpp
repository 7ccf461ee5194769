// SPDX-License-Identifier: Apache-2.0
// Names of backends that the autoscaler starts: POOL-CLASS-NUMBER.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::actuate {

constexpr unsigned kHighestNumber = 999'999;

/// "POOL-CLASS-". Where that leaves no room for a number in a name, both are cut and a hash of the
/// whole stands between: "POO-CLA-1f2e3d4c-".
[[nodiscard]] std::string name_prefix(std::string_view pool, std::string_view backend_class);

/// The number behind the prefix, written as we write it; std::nullopt: the name is not of it.
[[nodiscard]] std::optional<unsigned> number_of(std::string_view name, std::string_view prefix);

/// The digits that a name ends with, as a number; 0: none. A StatefulSet counts its pods so.
[[nodiscard]] unsigned ordinal_of(std::string_view name) noexcept;

}  // namespace sluice::actuate
