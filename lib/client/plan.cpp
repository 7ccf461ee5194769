// SPDX-License-Identifier: Apache-2.0
#include "client/plan.hpp"

#include "client/plan_pool.hpp"
#include "client/plan_show.hpp"
#include "plan/controller_scaler.hpp"
#include "plan/figures.hpp"
#include "plan/rivals.hpp"

#include <cstddef>
#include <filesystem>
#include <string_view>
#include <utility>

namespace sluice::client {
namespace {

// Tells a terminal how far it is.
class Meter {
 public:
  Meter(const Environment& environment, Output& output, std::size_t seconds)
      : shown_(environment.progress), output_(output), seconds_(seconds) {}
  ~Meter() {
    if (shown_) output_.rewrite_line("");
  }
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  [[nodiscard]] plan::Progress of(std::string_view policy) {
    if (!shown_) return nullptr;
    return [this, policy](std::size_t done) {
      output_.rewrite_line(fmt::format("{:3d} %  {}", done * 100 / seconds_, policy));
    };
  }

 private:
  bool shown_;
  Output& output_;
  std::size_t seconds_;
};

Result<void> replay(const PlannedPool& pool, const PlanLine& line, bool json,
                    const Environment& environment, Output& output) {
  const auto trace = plan::read_trace(line.trace);
  if (!trace) return tl::unexpected(shown(trace.error()));
  const plan::Arrivals arrivals(*trace, line.load_factor.value_or(1.0));
  const auto& model = pool.planned.model;
  const auto need = plan::backends_needed(arrivals, model);
  PlanAnswer answer{.pool = pool.name,
                    .trace = std::filesystem::path(line.trace).filename().string(),
                    .model = model,
                    .rows = {}};
  {
    Meter meter(environment, output, arrivals.seconds());
    plan::ControllerScaler scaler(pool.planned.options, line.utc_at_start);
    const auto course = plan::simulate(arrivals, model, scaler, meter.of("sluice"));
    answer.rows.push_back(plan::figures_of(arrivals, model, need, course));
    answer.rows.back().policy = "sluice";
    if (line.compare)
      for (const auto rival : plan::rivals()) {
        const auto name = plan::name_of(rival);
        const auto other = plan::run_rival(rival, arrivals, model, need, meter.of(name));
        answer.rows.push_back(plan::figures_of(arrivals, model, need, other));
        answer.rows.back().policy = name;
      }
  }
  output.print(json ? plan_json(answer) : show_plan(answer, environment.colour));
  return {};
}

}  // namespace

Result<void> plan(const PlanLine& line, bool json, const Environment& environment, Output& output) {
  auto pool = planned_pool(line, output);
  if (!pool) return forward_error(pool);
  if (line.step) return plan_by_steps(std::move(pool->planned.options), environment.in, output);
  return replay(*pool, line, json, environment, output);
}

}  // namespace sluice::client
