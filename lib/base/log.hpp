// SPDX-License-Identifier: Apache-2.0
// One line an event on stderr: "level component event key=value". Never per packet.
//
// Threads: any slow-path thread; never a worker.
#pragma once

#include <spdlog/spdlog.h>

#include <memory>
#include <string>

namespace sluice {

/// The logger of one component ("control", "xdp"); made at first use. With JOURNAL_STREAM set in
/// the environment lines carry a "<n>" priority instead of a time, as systemd reads them.
[[nodiscard]] std::shared_ptr<spdlog::logger> log(const std::string& component);

}  // namespace sluice
