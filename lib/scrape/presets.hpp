// SPDX-License-Identifier: Apache-2.0
// Under which names inference servers tell their load: several for each signal, because names
// change between versions.
//
// Threads: pure functions.
#pragma once

#include "config/autoscale.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::scrape {

/// What is wanted of a scrape.
enum class Signal : std::uint8_t { kRunning, kWaiting, kCompleted, kCache };
inline constexpr std::size_t kSignals = 4;
[[nodiscard]] std::string_view name(Signal signal) noexcept;  ///< "running", "waiting", ...

/// One way in which a signal is told.
struct Alternative {
  std::string name;
  std::vector<std::pair<std::string, std::string>> labels = {};  ///< That a sample must have.

  friend bool operator==(const Alternative&, const Alternative&) = default;
};

/// Of all ways the first one that has samples counts, and of its samples their sum, mean or max.
struct Choice {
  std::vector<Alternative> alternatives;
  config::MetricChoice::Of of = config::MetricChoice::Of::kSum;

  friend bool operator==(const Choice&, const Choice&) = default;
};
using Choices = std::array<Choice, kSignals>;  ///< By Signal.

/// What a pool's backends are read for: the type's own names, and the configured ones in place of
/// them where there are any. A label without '=' is left out; config::check() accepts none.
[[nodiscard]] Choices choices_of(const config::Metrics& metrics);

/// Where a server of the type shows its metrics unless told otherwise.
[[nodiscard]] std::string_view path_of(config::MetricsType type) noexcept;
/// Its port for them when it is another than the one that serves; 0: it is that one.
[[nodiscard]] std::uint16_t port_of(config::MetricsType type) noexcept;

}  // namespace sluice::scrape
