// SPDX-License-Identifier: Apache-2.0
// One line an event on stderr: "level component event key=value". Never per packet.
//
// Threads: any slow-path thread; never a worker.
#pragma once

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>

#if FMT_VERSION < 100000
// Compiled once, in log.cpp: else each file that logs compiles the writing of every kind of number,
// for two seconds. From its version 10 on fmt declares so itself.
extern template void fmt::detail::vformat_to<char>(
    fmt::detail::buffer<char>&, fmt::string_view, fmt::basic_format_args<fmt::buffer_context<char>>,
    fmt::detail::locale_ref);
#endif

namespace sluice {

/// The logger of one component ("control", "xdp"); made at first use. With JOURNAL_STREAM set in
/// the environment lines carry a "<n>" priority instead of a time, as systemd reads them.
[[nodiscard]] std::shared_ptr<spdlog::logger> log(const std::string& component);

}  // namespace sluice
