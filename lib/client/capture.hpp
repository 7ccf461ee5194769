// SPDX-License-Identifier: Apache-2.0
// `capture`: packets of the daemon's workers, before and after the rewrite, into a pcapng file.
//
// Threads: one.
#pragma once

#include "base/result.hpp"
#include "client/http.hpp"
#include "client/output.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::client {

struct Capturing {
  std::string service;                ///< Empty: any, and none.
  std::string backend;                ///< POOL/NAME; empty: any, and none.
  std::vector<std::string> verdicts;  ///< Empty: all.
  std::optional<std::uint32_t> sample;
  std::optional<std::uint32_t> snap;
  std::optional<std::uint64_t> count;
  std::optional<std::uint32_t> seconds;
  std::string file;
  std::string application;  ///< Who writes the file.
  bool json = false;        ///< The last line is JSON.
  int interrupt = -1;       ///< Becomes readable when the user wants to stop; -1: nothing does.
  std::chrono::milliseconds pause{100};  ///< Between questions while nothing comes.
};

/// Starts a capture, writes what comes until it ends by itself, by `seconds` or by the user, and
/// prints how much it was.
/// @return the first error; the file then holds what came before it.
[[nodiscard]] Result<void> capture_packets(Http& http, Output& output, const Capturing& what);

}  // namespace sluice::client
