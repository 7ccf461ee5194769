// SPDX-License-Identifier: Apache-2.0
// States of a backend, what the operator wishes of it, and changes with their reasons.
//
// Threads: values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::health {

using Time = std::chrono::steady_clock::time_point;

enum class State : std::uint8_t {
  kStarting,     ///< Nothing is known yet: no new flows.
  kUp,           ///< Takes new flows.
  kDegraded,     ///< Likewise, but something is wrong: a probe failed, or its traffic is odd.
  kDraining,     ///< The operator's wish: no new flows, those it has end by themselves.
  kDown,         ///< Probes failed: no flows at all.
  kEjected,      ///< Its traffic failed: no flows at all for a time.
  kMaintenance,  ///< The operator's wish: no flows at all.
};

/// What the operator wants of a backend, whatever its health.
enum class Wish : std::uint8_t { kServe, kDrain, kMaintenance };

[[nodiscard]] std::string_view name(State state) noexcept;  ///< "starting", "up", ...
[[nodiscard]] std::string_view name(Wish wish) noexcept;    ///< "serve", "drain", "maintenance"
/// The state of that name; std::nullopt: there is none.
[[nodiscard]] std::optional<State> state_named(std::string_view text) noexcept;

/// Whether a backend in this state is chosen for new flows, unless its pool is in panic.
[[nodiscard]] constexpr bool takes_new_flows(State state) noexcept {
  return state == State::kUp || state == State::kDegraded;
}
/// Whether the flows that a backend has go on going there.
[[nodiscard]] constexpr bool keeps_flows(State state) noexcept {
  return state != State::kDown && state != State::kEjected && state != State::kMaintenance;
}

/// One step of a backend, or, where `backend` is empty, of its pool; see PoolHealth::state().
struct Change {
  std::string pool = {};
  std::string backend = {};
  State from = State::kStarting;
  State to = State::kStarting;
  std::string cause;     ///< One word, of a fixed set: a Fault's name or one of namespace cause.
  std::string evidence;  ///< One line for people.
  std::chrono::milliseconds lasted{};  ///< How long it was in `from`.

  friend bool operator==(const Change&, const Change&) = default;
};

/// Causes of changes beside the names of faults.
namespace cause {
constexpr std::string_view kAnswered = "answered";            ///< Good answers to probes.
constexpr std::string_view kOperator = "operator";            ///< A wish.
constexpr std::string_view kConfiguration = "configuration";  ///< The pool's checks changed.
constexpr std::string_view kReplaced = "replaced";            ///< Another server of that name.
constexpr std::string_view kSilent = "silent";                ///< SYNs again, no handshake.
constexpr std::string_view kFailures = "failures";            ///< Connections failed in a row.
constexpr std::string_view kSuccessRate = "success_rate";     ///< Below the pool's.
constexpr std::string_view kSlow = "slow";                    ///< Slower than the pool.
constexpr std::string_view kCalm = "calm";                    ///< Its traffic is as it should be.
constexpr std::string_view kEjectionOver = "ejection_over";   ///< Its time is over.
constexpr std::string_view kNeeded = "needed";                ///< Ejected, but too few are left.
constexpr std::string_view kPanic = "panic";                  ///< Of a pool: too few are usable.
constexpr std::string_view kUsable = "usable";                ///< Of a pool: enough are.
constexpr std::string_view kNoBackend = "no_backend";         ///< Of a pool: none takes flows.
}  // namespace cause

}  // namespace sluice::health
