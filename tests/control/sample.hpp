// SPDX-License-Identifier: Apache-2.0
// A small configuration for tests of the slow path, and its parts.
#pragma once

#include "config/decode.hpp"
#include "control/describe.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace sluice::control {

/// The sample's node. DPDK locks a directory of that name, and meson runs tests side by side.
inline std::string sample_node() { return fmt::format("test-{}", ::getpid()); }

/// Pool "llama" (ipip, gpu-1 .. gpu-N at 10.0.1.1 .. N, weight 100, 10.0.1.0/24 by neighbours),
/// service "chat" on 203.0.113.10:443/tcp. Devices need no privileges. `extra` goes before the
/// pools' end.
inline std::string sample_text(unsigned backends,
                               const std::string& state_dir = "/nonexistent/sluice",
                               const std::string& device = "net_null0,no-rx=1") {
  std::string list;
  for (unsigned i = 1; i <= backends; ++i)
    list +=
        fmt::format(R"({}{{"name": "gpu-{}", "address": "10.0.1.{}"}})", i == 1 ? "" : ", ", i, i);
  return fmt::format(R"({{
    "node": "{}",
    "dpdk": {{"lcores": "0-1", "main_lcore": 0, "huge_pages": false, "memory_mb": 128}},
    "ports": [{{"name": "front", "device": "{}", "mac": "02:00:00:00:00:01"}}],
    "neighbours": [{{"address": "10.0.1.0/24", "mac": "02:00:00:00:00:fe", "port": "front"}}],
    "flow_cache": {{"flows": 65536}},
    "services": [{{"name": "chat", "address": "203.0.113.10", "port": 443, "protocol": "tcp", "pool": "llama"}}],
    "pools": [{{"name": "llama", "forwarding": "ipip", "encapsulation": {{"source": "10.0.0.1"}}, "backends": [{}]}}],
    "admin": {{"socket": "{}/admin.sock"}},
    "state_dir": "{}"
  }})",
                     sample_node(), device, list, state_dir, state_dir);
}

inline config::Configuration sample(unsigned backends,
                                    const std::string& state_dir = "/nonexistent/sluice") {
  auto decoded = config::decode(sample_text(backends, state_dir));
  for (const auto& fault : decoded.faults) ADD_FAILURE() << fault.text();
  return std::move(decoded.configuration);
}

inline IpAddress v4(const std::string& text) { return IpAddress::parse(text).value(); }

inline config::Backend backend(const std::string& name, const std::string& address,
                               std::uint32_t weight = 100) {
  config::Backend made;
  made.name = name;
  made.address = v4(address);
  made.weight = weight;
  return made;
}

}  // namespace sluice::control
