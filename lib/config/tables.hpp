// SPDX-License-Identifier: Apache-2.0
// The parts of the field table, by subject; table() puts them together.
//
// Threads: values.
#pragma once

#include "config/field.hpp"

#include <cstdint>
#include <memory>
#include <string_view>

namespace sluice::config {

inline constexpr std::int64_t kMostBackends = 65535;   ///< Backend numbers have 16 bits.
inline constexpr std::size_t kMostPrefixes = 200'000;  ///< Of one service's shards or deny list.
inline constexpr std::size_t kMostDenied = 100'000;    ///< Of the node's own deny list.

// Short, since each line of the tables has two of them.
inline constexpr auto kRequired = Need::kRequired;
inline constexpr auto kOptional = Need::kOptional;
inline constexpr auto kReload = TakenBy::kReload;
inline constexpr auto kRestart = TakenBy::kRestart;

/// What the form of a path in an HTTP request is said to be.
inline constexpr std::string_view kPathRule = "'/' and after it printable ASCII characters";

[[nodiscard]] std::shared_ptr<const Object> service_object();
[[nodiscard]] std::shared_ptr<const Object> pool_object();
[[nodiscard]] std::shared_ptr<const Object> quic_lb_object();
[[nodiscard]] std::shared_ptr<const Object> health_object();
[[nodiscard]] std::shared_ptr<const Object> outlier_object();
[[nodiscard]] std::shared_ptr<const Object> backend_class_object();
[[nodiscard]] std::shared_ptr<const Object> metrics_object();
[[nodiscard]] std::shared_ptr<const Object> autoscale_object();
[[nodiscard]] std::shared_ptr<const Object> answer_object();
[[nodiscard]] std::shared_ptr<const Object> announce_object();

}  // namespace sluice::config
