// SPDX-License-Identifier: Apache-2.0
// `backend drain --wait`: until the backend has no flows any more.
//
// Threads: one; it waits for the daemon, and between questions.
#pragma once

#include "base/result.hpp"
#include "client/http.hpp"
#include "client/output.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace sluice::client {

struct Draining {
  std::string pool;
  std::string backend;
  std::optional<std::uint32_t> seconds;  ///< Longest time; absent: any.
  bool progress = false;                 ///< Tell a terminal how many flows are left.
  std::chrono::milliseconds second{1000};
  int interrupt = -1;  ///< Becomes readable when the user wants to stop; -1: nothing does.
};

/// Asks each second how many flows it has, and prints one line when there are none.
/// @return kIo: interrupted or out of time, with how many are left; it stays drained. kNotFound:
///   the backend is not there any more.
[[nodiscard]] Result<void> wait_until_drained(Http& http, Output& output, const Draining& what);

}  // namespace sluice::client
