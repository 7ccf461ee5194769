// SPDX-License-Identifier: Apache-2.0
#include "plan/pool_of.hpp"

#include <algorithm>
#include <cmath>

namespace sluice::plan {
namespace {

std::uint32_t whole_seconds(double seconds) {
  return static_cast<std::uint32_t>(std::ceil(std::clamp(seconds, 0.0, 1e6)));
}

ClassModel model_of(const config::BackendClass& backend_class) {
  return {.name = backend_class.name,
          .capacity = backend_class.capacity,
          .service_time_s = backend_class.service_time_s,
          .cold_start_s = whole_seconds(backend_class.cold_start_s),
          .wake_s = whole_seconds(backend_class.wake_s),
          .asleep = backend_class.wake_s > 0 ? backend_class.asleep : 0,
          .max = backend_class.max,
          .price_per_hour = backend_class.price_per_hour,
          .asleep_price_per_hour = backend_class.asleep_price_per_hour};
}

}  // namespace

Result<Planned> plan_of(const config::Pool& pool, std::uint32_t drain_s) {
  if (!pool.autoscale)
    return fail(Errc::kInvalid, "pool " + pool.name,
                "has no autoscale; give it one: there is nothing to plan with");
  if (pool.classes.empty())
    return fail(Errc::kInvalid, "pool " + pool.name,
                "has no classes; name one, with its capacity and cold_start_s");
  Planned planned;
  auto& options = planned.options;
  options.autoscale = *pool.autoscale;
  options.autoscale.tick_s = std::max(1.0, std::nearbyint(pool.autoscale->tick_s));
  options.classes = pool.classes;
  options.drain_s = drain_s;
  for (auto& backend_class : options.classes) {
    backend_class.cold_start_s = whole_seconds(backend_class.cold_start_s);
    backend_class.wake_s = whole_seconds(backend_class.wake_s);
    planned.model.classes.push_back(model_of(backend_class));
  }
  planned.model.min = pool.autoscale->min;
  planned.model.max = pool.autoscale->max;
  planned.model.slo_wait_s = std::max(1U, whole_seconds(pool.autoscale->slo_wait_s));
  planned.model.drain_s = drain_s;
  return planned;
}

}  // namespace sluice::plan
