// SPDX-License-Identifier: Apache-2.0
// The node's figures as commands of DPDK's own telemetry, for dpdk-telemetry.py and what reads it:
// /sluice/stats, /sluice/workers, /sluice/services.
//
// Threads: made, ended and asked on the slow path. DPDK asks on threads of its own; a question is
// handed over to the slow path, and its asker waits for at most kPatience.
#pragma once

#include "base/event_loop.hpp"
#include "control/views.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sluice::control {

using Figure = std::pair<std::string, std::variant<std::uint64_t, std::string>>;
using Figures = std::vector<Figure>;  ///< At most 256, distinct names of letters, digits and '_'.

/// The books, the generation, and every reason to drop.
[[nodiscard]] Figures telemetry_stats(const Scene& scene);
/// One row a worker, from row `first` on; at most kTelemetryPage, as all lists here.
[[nodiscard]] std::vector<Figures> telemetry_workers(const Scene& scene, std::size_t first);
[[nodiscard]] std::vector<Figures> telemetry_services(const Scene& scene, std::size_t first);

inline constexpr std::size_t kTelemetryPage = 64;  ///< An answer has 16 KiB, a row about 200 bytes.

class NativeTelemetry {
 public:
  static constexpr std::chrono::seconds kPatience{2};

  /// Registers the commands; from then on they are answered while this lives. One at a time.
  /// @return kConflict (there is one), kIo.
  [[nodiscard]] static Result<std::unique_ptr<NativeTelemetry>> open(EventLoop& loop,
                                                                     std::function<Scene()> scene);
  NativeTelemetry(const NativeTelemetry&) = delete;
  NativeTelemetry& operator=(const NativeTelemetry&) = delete;
  ~NativeTelemetry();

 private:
  NativeTelemetry(EventLoop& loop, std::function<Scene()> scene, UniqueFd bell);

  EventLoop& loop_;
  std::function<Scene()> scene_;
  UniqueFd bell_;
};

}  // namespace sluice::control
