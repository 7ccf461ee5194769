// SPDX-License-Identifier: Apache-2.0
// Metrics of the load that backends tell: by pool, since a thousand backends would be too many
// series for what sluicectl says of each.
#include "control/load_keeper.hpp"
#include "control/metrics.hpp"

namespace sluice::control {

void put_load(telemetry::Exposition& out, const LoadKeeper& load) {
  const auto pools = load.telling();
  begin(out, "sluice_scrapes");
  for (const auto& one : pools) {
    out.sample(one.scrapes.good, {{"pool", one.pool}, {"result", "good"}});
    out.sample(one.scrapes.failed, {{"pool", one.pool}, {"result", "failed"}});
  }
  begin(out, "sluice_scraped_bytes");
  for (const auto& one : pools) out.sample(one.scrapes.bytes, {{"pool", one.pool}});
  begin(out, "sluice_scrape_seconds");
  for (const auto& one : pools)
    out.sample(std::chrono::duration<double>(one.scrapes.time).count(), {{"pool", one.pool}});
  begin(out, "sluice_silent_backends");
  for (const auto& one : pools) out.sample(std::uint64_t{one.silent}, {{"pool", one.pool}});
  begin(out, "sluice_silent_backends_ratio");
  for (const auto& one : pools)
    out.sample(one.in_service == 0
                   ? 0.0
                   : static_cast<double>(one.silent) / static_cast<double>(one.in_service),
               {{"pool", one.pool}});
  begin(out, "sluice_load_age_seconds");
  for (const auto& one : pools)
    if (one.age_s) out.sample(*one.age_s, {{"pool", one.pool}});
}

}  // namespace sluice::control
