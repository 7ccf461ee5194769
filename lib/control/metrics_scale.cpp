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
  out.gauge("sluice_autoscale_desired_backends", "Backends that are wanted, by class.");
  for (const auto& [name, pool] : scale.pools()) {
    const auto& wanted = pool->controller().decision().wanted;
    for (std::size_t i = 0; i < pool->classes().size() && i < wanted.size(); ++i)
      out.sample(std::uint64_t{wanted[i]}, {{"pool", name}, {"class", pool->classes()[i].name}});
  }
  out.gauge("sluice_autoscale_ready_backends", "Backends that take new flows, by class.");
  each_class(&autoscale::Fleet::ready);
  out.gauge("sluice_autoscale_starting_backends", "Backends on their way to it, by class.");
  each_class(&autoscale::Fleet::starting);
  out.gauge("sluice_autoscale_draining_backends", "Backends that keep flows only, by class.");
  each_class(&autoscale::Fleet::draining);
  out.gauge("sluice_autoscale_asleep_backends", "Backends that are asleep, by class.");
  each_class(&autoscale::Fleet::asleep);
}

void put_decisions(Exposition& out, const ScaleKeeper& scale) {
  const auto each = [&](auto value) {
    for (const auto& [name, pool] : scale.pools())
      out.sample(value(pool->controller().decision()), {{"pool", name}});
  };
  out.gauge("sluice_autoscale_demand_requests_per_second", "Load that there is.");
  each([](const Decision& d) { return d.demand; });
  out.gauge("sluice_autoscale_backlog_requests", "Requests that wait.");
  each([](const Decision& d) { return d.backlog; });
  out.gauge("sluice_autoscale_forecast_requests_per_second",
            "Load that is expected when what is asked for now would serve.");
  each([](const Decision& d) { return d.forecast; });
  out.gauge("sluice_autoscale_forecast_error_ratio",
            "Mean error of that forecast, relative to the load.");
  each([](const Decision& d) { return d.demand > 0 ? d.error / d.demand : 0.0; });
  out.gauge("sluice_autoscale_saturation_ratio",
            "Load and backlog against the capacity of the ready backends; 1: full.");
  each([](const Decision& d) { return std::isfinite(d.saturation) ? d.saturation : 0.0; });
  out.gauge("sluice_autoscale_uncovered_requests_per_second",
            "Capacity that is needed and that limits leave uncovered.");
  each([](const Decision& d) { return d.uncovered; });
  out.gauge("sluice_autoscale_cost_per_hour", "Cost of the backends that are wanted.");
  each([](const Decision& d) { return d.cost_per_hour; });
  out.gauge("sluice_autoscale_budget_limited", "1 while the budget keeps backends from starting.");
  each([](const Decision& d) { return limited(d, Limit::kBudget); });
  out.gauge("sluice_autoscale_at_max", "1 while the maximum keeps backends from starting.");
  each([](const Decision& d) { return limited(d, Limit::kMax); });
  out.gauge("sluice_autoscale_overridden", "1 while a count by hand or a pause is in force.");
  for (const auto& [name, pool] : scale.pools())
    out.sample(std::uint64_t{pool->controller().standing() == autoscale::Standing::kAuto ? 0U : 1U},
               {{"pool", name}});
}

void put_work(Exposition& out, const ScaleKeeper& scale) {
  out.counter("sluice_autoscale_decisions", "Decisions by what led to them.");
  for (const auto& [name, pool] : scale.pools())
    for (const auto& [cause, n] : pool->counts().decisions)
      out.sample(n, {{"pool", name}, {"cause", name_of(cause)}});
  out.counter("sluice_autoscale_late_ticks", "Decisions that came late for want of time.");
  for (const auto& [name, pool] : scale.pools())
    out.sample(pool->counts().late_ticks, {{"pool", name}});
  out.counter("sluice_autoscale_orders", "Orders to the actuator, by what was ordered.");
  for (const auto& [name, pool] : scale.pools())
    for (std::size_t verb = 0; verb < pool->counts().orders.size(); ++verb)
      out.sample(pool->counts().orders[verb],
                 {{"pool", name}, {"verb", actuate::name_of(static_cast<actuate::Verb>(verb))}});
  out.counter("sluice_autoscale_actuator_failures", "Orders that came to nothing.");
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
