// SPDX-License-Identifier: Apache-2.0
// The forms of text that a configuration has. Each pattern stands beside the function that decides
// the same.
//
// Threads: values.
#pragma once

#include "config/codec.hpp"

#include <cstddef>
#include <string_view>

namespace sluice::config::form {

[[nodiscard]] Text name();        ///< What things are called: 1 to 64 of a few characters.
[[nodiscard]] Text secret_key();  ///< 32 hexadecimal digits that nobody else may read.
[[nodiscard]] Text server_id();   ///< 1 to 15 bytes in hexadecimal.
[[nodiscard]] Text absolute_path(std::string_view rule, std::size_t longest);
[[nodiscard]] Text url_path();
[[nodiscard]] Text url();
[[nodiscard]] Text webhook();       ///< A URL of http or https.
[[nodiscard]] Text device();        ///< Device arguments of DPDK.
[[nodiscard]] Text argument();      ///< One of a command line.
[[nodiscard]] Text host_name();     ///< Of DNS, or an address.
[[nodiscard]] Text header_name();   ///< Of HTTP.
[[nodiscard]] Text statuses();      ///< Of HTTP: N | N-N with commas.
[[nodiscard]] Text interface();     ///< Of Linux, by name.
[[nodiscard]] Text lcores();        ///< N | N-N with commas; what the numbers mean is check()'s.
[[nodiscard]] Text metric_name();   ///< Of Prometheus.
[[nodiscard]] Text metric_label();  ///< NAME=VALUE, which a sample must have.
[[nodiscard]] Text cron();          ///< Five fields; what they mean is check()'s.
[[nodiscard]] Text workload();      ///< Of Kubernetes: KIND/NAME.
[[nodiscard]] Text socket_mode();   ///< Of a Unix socket: octal.
[[nodiscard]] Text endpoint();      ///< ADDRESS:PORT or [IPV6]:PORT

}  // namespace sluice::config::form
