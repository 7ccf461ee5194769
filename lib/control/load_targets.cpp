// SPDX-License-Identifier: Apache-2.0
#include "control/load_targets.hpp"

#include "control/health_targets.hpp"
#include "scrape/presets.hpp"

#include <fmt/format.h>

namespace sluice::control {

LoadTargets load_targets(const config::Configuration& running) {
  const auto services = first_services(running);
  LoadTargets out;
  for (const auto& pool : running.pools) {
    if (!pool.metrics) continue;
    const auto service = services.find(pool.name);
    for (const auto& backend : pool.backends) {
      scrape::Target target{.pool = pool.name,
                            .backend = backend.name,
                            .address = backend.address,
                            .port = pool.metrics->port,
                            .metrics = *pool.metrics};
      if (target.port == 0) target.port = scrape::port_of(pool.metrics->type);
      if (target.port == 0) target.port = backend.port;
      if (target.port == 0 && service != services.end()) target.port = service->second->port;
      if (target.port != 0)
        out.targets.push_back(std::move(target));
      else
        out.left_out.push_back(fmt::format("{}/{}: no port is known to ask; give metrics.port",
                                           pool.name, backend.name));
    }
  }
  return out;
}

}  // namespace sluice::control
