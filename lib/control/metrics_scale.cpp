// SPDX-License-Identifier: Apache-2.0
// Metrics of the autoscaler.
#include "control/metrics.hpp"
#include "control/scale_keeper.hpp"

#include <cmath>

namespace sluice::control {
namespace {

using autoscale::Decision;
using autoscale::Limit;
using telemetry::Exposition;

std::uint64_t limited(const Decision& decision, Limit limit) {
  return (decision.limits & static_cast<std::uint16_t>(limit)) != 0 ? 1 : 0;
}

void put_counts(Exposition& out, const ScaleKeeper& scale) {
  const auto each_class = [&](unsigned autoscale::Fleet::*field) {
    for (const auto& [name, pool] : scale.pools()) {
      const auto& counts = pool->fleet().counts();
      for (std::size_t i = 0; i < pool->classes().size() && i < counts.size(); ++i)
        out.sample(std::uint64_t{counts[i].*field},
                   {{"pool", name}, {"class", pool->classes()[i].name}});
    }
  };
  begin(out, "sluice_autoscale_desired_backends");
  for (const auto& [name, pool] : scale.pools()) {
    const auto& wanted = pool->controller().decision().wanted;
    for (std::size_t i = 0; i < pool->classes().size() && i < wanted.size(); ++i)
      out.sample(std::uint64_t{wanted[i]}, {{"pool", name}, {"class", pool->classes()[i].name}});
  }
  begin(out, "sluice_autoscale_ready_backends");
  each_class(&autoscale::Fleet::ready);
  begin(out, "sluice_autoscale_starting_backends");
  each_class(&autoscale::Fleet::starting);
  begin(out, "sluice_autoscale_draining_backends");
  each_class(&autoscale::Fleet::draining);
  begin(out, "sluice_autoscale_asleep_backends");
  each_class(&autoscale::Fleet::asleep);
}

void put_decisions(Exposition& out, const ScaleKeeper& scale) {
  const auto each = [&](auto value) {
    for (const auto& [name, pool] : scale.pools())
      out.sample(value(pool->controller().decision()), {{"pool", name}});
  };
  begin(out, "sluice_autoscale_demand_requests_per_second");
  each([](const Decision& d) { return d.demand; });
  begin(out, "sluice_autoscale_backlog_requests");
  each([](const Decision& d) { return d.backlog; });
  begin(out, "sluice_autoscale_forecast_requests_per_second");
  each([](const Decision& d) { return d.forecast; });
  begin(out, "sluice_autoscale_forecast_error_ratio");
  each([](const Decision& d) { return d.demand > 0 ? d.error / d.demand : 0.0; });
  begin(out, "sluice_autoscale_saturation_ratio");
  each([](const Decision& d) { return std::isfinite(d.saturation) ? d.saturation : 0.0; });
  begin(out, "sluice_autoscale_uncovered_requests_per_second");
  each([](const Decision& d) { return d.uncovered; });
  begin(out, "sluice_autoscale_cost_per_hour");
  each([](const Decision& d) { return d.cost_per_hour; });
  begin(out, "sluice_autoscale_budget_limited");
  each([](const Decision& d) { return limited(d, Limit::kBudget); });
  begin(out, "sluice_autoscale_at_max");
  each([](const Decision& d) { return limited(d, Limit::kMax); });
  begin(out, "sluice_autoscale_overridden");
  for (const auto& [name, pool] : scale.pools())
    out.sample(std::uint64_t{pool->controller().standing() == autoscale::Standing::kAuto ? 0U : 1U},
               {{"pool", name}});
}

void put_work(Exposition& out, const ScaleKeeper& scale) {
  begin(out, "sluice_autoscale_decisions");
  for (const auto& [name, pool] : scale.pools())
    for (const auto& [cause, n] : pool->counts().decisions)
      out.sample(n, {{"pool", name}, {"cause", name_of(cause)}});
  begin(out, "sluice_autoscale_late_ticks");
  for (const auto& [name, pool] : scale.pools())
    out.sample(pool->counts().late_ticks, {{"pool", name}});
  begin(out, "sluice_autoscale_orders");
  for (const auto& [name, pool] : scale.pools())
    for (std::size_t verb = 0; verb < pool->counts().orders.size(); ++verb)
      out.sample(pool->counts().orders[verb],
                 {{"pool", name}, {"verb", actuate::name_of(static_cast<actuate::Verb>(verb))}});
  begin(out, "sluice_autoscale_actuator_failures");
  for (const auto& [name, pool] : scale.pools())
    out.sample(pool->counts().failures, {{"pool", name}});
}

}  // namespace

void put_scale(Exposition& out, const ScaleKeeper& scale) {
  put_counts(out, scale);
  put_decisions(out, scale);
  put_work(out, scale);
}

}  // namespace sluice::control
