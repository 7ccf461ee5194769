// SPDX-License-Identifier: Apache-2.0
#include "client/plan.hpp"

#include "base/file.hpp"
#include "client/plan_pool.hpp"
#include "client/plan_show.hpp"
#include "plan/controller_scaler.hpp"
#include "plan/figures.hpp"
#include "plan/plot.hpp"
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

// The run of the pool's controller, and those of others where they are asked for.
Result<void> replay(const PlannedPool& pool, const plan::Arrivals& arrivals, const PlanLine& line,
                    const Environment& environment, Output& output, PlanAnswer& answer) {
  const auto& model = pool.planned.model;
  const auto need = plan::backends_needed(arrivals, model);
  Meter meter(environment, output, arrivals.seconds());
  plan::ControllerScaler scaler(pool.planned.options, line.utc_at_start);
  const auto course = plan::simulate(arrivals, model, scaler, meter.of("sluice"));
  const auto add = [&](std::string_view policy, const plan::Course& run) {
    answer.rows.push_back(plan::figures_of(arrivals, model, need, run));
    answer.rows.back().policy = policy;
  };
  add("sluice", course);
  if (line.compare)
    for (const auto rival : plan::rivals()) {
      const auto name = plan::name_of(rival);
      add(name, plan::run_rival(rival, arrivals, model, need, meter.of(name)));
    }
  if (line.plot.empty()) return {};
  const auto title = "pool " + answer.pool + ", " + answer.trace;
  return write_file_atomically(line.plot, plan::plot_svg(title, arrivals, model, need, course));
}

Result<std::string> answer_of(const PlannedPool& pool, const PlanLine& line, PlanForm form,
                              const Environment& environment, Output& output) {
  const auto trace = plan::read_trace(line.trace);
  if (!trace) return tl::unexpected(shown(trace.error()));
  const plan::Arrivals arrivals(*trace, line.load_factor.value_or(1.0));
  const auto& scale = pool.planned.options.autoscale;
  const bool colour = environment.colour;
  PlanAnswer answer{.pool = pool.name,
                    .trace = std::filesystem::path(line.trace).filename().string(),
                    .model = pool.planned.model,
                    .rows = {}};
  const auto of_form = [form](auto&& table, auto&& json, auto&& csv) -> std::string {
    if (form == PlanForm::kTable) return table();
    return form == PlanForm::kJson ? json() : csv();
  };
  if (line.needs) {
    const auto needs = plan::needs_of(arrivals, answer.model, scale.budget_per_hour);
    return of_form([&] { return show_needs(answer, needs, colour); },
                   [&] { return needs_json(answer, needs); },
                   [&] { return needs_csv(answer, needs); });
  }
  if (line.predict) {
    const auto horizon = static_cast<std::size_t>(*line.predict * 3600);
    const auto prediction = plan::predict(arrivals, scale.forecaster, scale.season_s, horizon);
    return of_form([&] { return show_prediction(answer, prediction, colour); },
                   [&] { return prediction_json(answer, prediction); },
                   [&] { return prediction_csv(answer, prediction); });
  }
  if (auto done = replay(pool, arrivals, line, environment, output, answer); !done)
    return tl::unexpected(shown(done.error()));
  return of_form([&] { return show_plan(answer, colour); }, [&] { return plan_json(answer); },
                 [&] { return plan_csv(answer); });
}

}  // namespace

Result<void> plan(const PlanLine& line, PlanForm form, const Environment& environment,
                  Output& output) {
  auto pool = planned_pool(line, output);
  if (!pool) return forward_error(pool);
  if (line.step) return plan_by_steps(std::move(pool->planned.options), environment.in, output);
  const auto answer = answer_of(*pool, line, form, environment, output);
  if (!answer) return forward_error(answer);
  output.print(*answer);
  return {};
}

}  // namespace sluice::client
