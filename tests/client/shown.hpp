// SPDX-License-Identifier: Apache-2.0
// An answer of the daemon as sluicectl prints it.
//
// Threads: values.
#pragma once

#include "client/run.hpp"
#include "client/show.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace sluice::client {

inline const Look kLook{false, recorded_now()};

using Show = Result<std::string> (*)(const View&, const Look&);

inline std::string shown(Show show, const nlohmann::json& answer) {
  const auto text = show(View(answer), kLook);
  EXPECT_TRUE(text) << text.error().text();
  return text ? *text : "";
}

/// Of a node without ports, at rest.
inline nlohmann::json status() {
  return nlohmann::json::parse(
      R"({"node": "edge-1", "version": "0.1.0", "isa": "x86-64-v2", "pid": 1, "uptime_s": 5, "ready": true,
    "generation": 7, "generation_age_s": 1, "configuration": {"file": "/f", "loaded_at": "2026-11-21T10:00:00Z",
    "operator_changes": 0, "last_reload": {"ok": true, "at": "2026-11-21T10:00:00Z", "faults": []}},
    "state": {"directory": "/d", "writable": true, "problem": ""},
    "books": {"rx": 100, "forward": 98, "host": 1, "answer": 0, "drop": 1, "in_flight": 0, "balanced": true},
    "ports": [], "huge_pages": false, "workers": 2, "services": 1, "pools": 2,
    "backends": {"total": 4, "up": 4, "draining": 0, "down": 0}})");
}

}  // namespace sluice::client
