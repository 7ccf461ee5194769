// SPDX-License-Identifier: Apache-2.0
// Metrics of the load that backends tell: by pool, since a thousand backends would be too many
// series for what sluicectl says of each.
#include "control/load_keeper.hpp"
#include "control/metrics.hpp"

namespace sluice::control {

void put_load(telemetry::Exposition& out, const LoadKeeper& load) {
  const auto pools = load.telling();
  out.counter("sluice_scrapes", "Times a pool's backends were asked for their load, by result.");
  for (const auto& one : pools) {
    out.sample(one.scrapes.good, {{"pool", one.pool}, {"result", "good"}});
    out.sample(one.scrapes.failed, {{"pool", one.pool}, {"result", "failed"}});
  }
  out.counter("sluice_scraped_bytes", "Bytes of metrics that a pool's backends sent.");
  for (const auto& one : pools) out.sample(one.scrapes.bytes, {{"pool", one.pool}});
  out.counter("sluice_scrape_seconds", "Time that a pool's scrapes took, all together.");
  for (const auto& one : pools)
    out.sample(std::chrono::duration<double>(one.scrapes.time).count(), {{"pool", one.pool}});
  out.gauge("sluice_silent_backends", "Backends in service whose load is not known.");
  for (const auto& one : pools) out.sample(std::uint64_t{one.silent}, {{"pool", one.pool}});
  out.gauge("sluice_silent_backends_ratio",
            "Their share of the pool's backends in service; 0 where none is in service.");
  for (const auto& one : pools)
    out.sample(one.in_service == 0
                   ? 0.0
                   : static_cast<double>(one.silent) / static_cast<double>(one.in_service),
               {{"pool", one.pool}});
  out.gauge("sluice_load_age_seconds", "Age of the newest figures of any backend of a pool.");
  for (const auto& one : pools)
    if (one.age_s) out.sample(*one.age_s, {{"pool", one.pool}});
}

}  // namespace sluice::control
