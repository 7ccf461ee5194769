// SPDX-License-Identifier: Apache-2.0
// What the tests of health are made of: moments, answers to probes, pools.
//
// Threads: values.
#pragma once

#include "config/configuration.hpp"
#include "health/outcome.hpp"
#include "health/state.hpp"

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <utility>

namespace sluice::health::test {

/// The moment so long after the test began.
inline Time at(std::chrono::microseconds since) {
  return Time{} + std::chrono::hours{1000} + since;
}

inline Outcome good() { return {Fault::kNone, std::chrono::microseconds{1500}, {}}; }
inline Outcome bad(Fault fault = Fault::kTimeout) {
  return {fault, std::chrono::milliseconds{500}, "no answer"};
}

/// A pool of backends "gpu-1", "gpu-2", ... without checks.
inline config::Pool pool_of(unsigned backends) {
  config::Pool pool;
  pool.name = "llama";
  for (unsigned i = 1; i <= backends; ++i) {
    config::Backend backend;
    backend.name = fmt::format("gpu-{}", i);
    backend.address = IpAddress::parse(fmt::format("10.0.{}.{}", i / 250, i % 250 + 1)).value();
    pool.backends.push_back(std::move(backend));
  }
  return pool;
}
/// Likewise, probed: rise 2, fall 3.
inline config::Pool probed_pool_of(unsigned backends) {
  auto pool = pool_of(backends);
  pool.health.emplace();
  return pool;
}

/// "gpu-1 up>down (timeout)": what a failed comparison should print.
inline std::string text(const Change& change) {
  return fmt::format("{}{}{}>{} ({})", change.backend, change.backend.empty() ? "" : " ",
                     name(change.from), name(change.to), change.cause);
}
std::string text(const auto& changes) {
  std::string all;
  for (const Change& change : changes) all += (all.empty() ? "" : ", ") + text(change);
  return all;
}

}  // namespace sluice::health::test
