// SPDX-License-Identifier: Apache-2.0
// Asks the backends and the network, as far as this user may: next hops, connections by each way,
// long packets, and who else claims the services' addresses.
//
// Threads: one; it waits a second or two for answers.
#pragma once

#include "base/result.hpp"
#include "config/configuration.hpp"
#include "doctor/backend.hpp"

#include <chrono>
#include <vector>

namespace sluice::doctor {

inline constexpr std::size_t kMostBackends = 256;  ///< That one examination asks.

struct Heard {
  std::vector<BackendAnswer> answers;  ///< In the order of the questions.
  std::vector<Claim> claims;
};

/// Puts the questions and collects what comes within `wait` (beside what next hops take).
/// @return kIo when this process cannot even ask the kernel.
[[nodiscard]] Result<Heard> ask(const config::Configuration& configuration,
                                const std::vector<BackendQuestion>& questions,
                                std::chrono::milliseconds wait = std::chrono::milliseconds(1000));

/// The whole of it: questions, answers, and what they mean. What may not be asked is a finding.
void examine_backends(const config::Configuration& configuration, Findings& findings);

}  // namespace sluice::doctor
