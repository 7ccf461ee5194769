// SPDX-License-Identifier: Apache-2.0
// Any bytes as health.json, and as its body under a right checksum: it is refused with a message
// that a terminal can show, or it survives writing and reading, and a pool can take it up.
#include "base/assert.hpp"
#include "base/state_file.hpp"
#include "health/store.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace {

using namespace sluice;
using namespace sluice::health;
using namespace std::chrono_literals;

void take_up(const KeptHealth& kept) {
  config::Pool pool;
  pool.name = "llama";
  pool.health.emplace();
  pool.outlier.emplace();
  for (const char* const name : {"gpu-1", "gpu-2", "gpu-3", "gpu-4"})
    pool.backends.push_back({.name = name, .address = {}});
  const Time now = Time{} + 1h;
  PoolHealth health(pool, now);
  for (const auto& [name, backends] : kept.pools)
    health.restore(backends, kept.away(std::chrono::system_clock::time_point{} + 24h), now);
  const auto next = health.next_tick();
  SLUICE_ASSERT(next.has_value(), "a pool with outlier detection has a next tick");
  (void)health.tick(*next);
  const auto again = parse_health(health_text({{}, {{"llama", health.kept(*next)}}}));
  SLUICE_ASSERT(again.has_value(), "what a pool keeps can be read");
}

void check(std::string_view text) {
  const auto parsed = parse_health(text);
  if (!parsed) {
    SLUICE_ASSERT(!parsed.error().message.empty(), "a refusal says why");
    return;
  }
  const auto again = parse_health(health_text(*parsed));
  SLUICE_ASSERT(again && *again == *parsed, "writing loses nothing");
  take_up(*parsed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  check(text);
  // Deeper than a state may be, writing the value would be our own recursion and not the parser's.
  if (std::ranges::count_if(text, [](char c) { return c == '[' || c == '{'; }) > 64) return 0;
  const auto body = nlohmann::json::parse(text, nullptr, false);
  if (body.is_discarded()) return 0;
  try {
    check(state_text(1, body));
  } catch (const nlohmann::json::exception&) {
    // Text that is no UTF-8 cannot be written either.
  }
  return 0;
}
