// SPDX-License-Identifier: Apache-2.0
#include "client/plan_pool.hpp"

#include "base/nearest.hpp"
#include "client/text.hpp"
#include "config/decode.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::client {
namespace {

// The pool of the line, or the only one that scales.
Result<config::Pool> choose_pool(const config::Configuration& configuration,
                                 const std::string& name) {
  std::vector<std::string_view> names;
  const config::Pool* only = nullptr;
  for (const auto& pool : configuration.pools) {
    if (pool.name == name) return pool;
    names.push_back(pool.name);
    if (!pool.autoscale) continue;
    if (name.empty() && only != nullptr)
      return fail(Errc::kInvalid, "--pool", "{} and {} both have autoscale; say which one",
                  only->name, pool.name);
    only = &pool;
  }
  if (!name.empty())
    return fail(Errc::kInvalid, "--pool", "no pool is called '{}'{}", clip(printable(name), 60),
                did_you_mean(name, names));
  if (only == nullptr) return fail(Errc::kInvalid, "--pool", "no pool has autoscale");
  return *only;
}

Result<config::Configuration> load(const std::string& file, Output& output) {
  auto decoded = config::load(file);
  if (!decoded) return tl::unexpected(shown(decoded.error()));
  const auto& faults = decoded->faults;
  if (faults.empty()) return std::move(decoded->configuration);
  for (std::size_t i = 0; i + 1 < faults.size(); ++i) output.complain(faults[i].text());
  const auto& last = faults.back();
  return fail(Errc::kInvalid, last.pointer, "{}; {}", last.what, last.remedy);
}

Result<void> set_of_classes(config::Pool& pool, const std::vector<OfClass>& values,
                            const char* option, double config::BackendClass::*member) {
  for (const auto& [name, value] : values) {
    bool found = false;
    for (auto& backend_class : pool.classes)
      if (name.empty() || backend_class.name == name) {
        backend_class.*member = value;
        found = true;
      }
    if (!found)
      return fail(Errc::kInvalid, option, "pool {} has no class '{}'", pool.name,
                  clip(printable(name), 60));
  }
  return {};
}

Result<void> leave_out(config::Pool& pool, const std::vector<std::string>& classes) {
  for (const auto& name : classes)
    if (std::erase_if(pool.classes, [&](const auto& one) { return one.name == name; }) == 0)
      return fail(Errc::kInvalid, "--without-class", "pool {} has no class '{}'", pool.name,
                  clip(printable(name), 60));
  if (pool.classes.empty() && !classes.empty())
    return fail(Errc::kInvalid, "--without-class", "pool {} has no other class", pool.name);
  return {};
}

using config::ForecastKind;

constexpr std::array<std::string_view, 8> kForecasters{
    "ensemble", "last_value", "quantile", "linear", "holt_winters", "arima", "kalman", "network"};
constexpr std::array<ForecastKind, kForecasters.size()> kForecastKinds{
    ForecastKind::kEnsemble, ForecastKind::kLastValue,   ForecastKind::kQuantile,
    ForecastKind::kLinear,   ForecastKind::kHoltWinters, ForecastKind::kArima,
    ForecastKind::kKalman,   ForecastKind::kNetwork};

Result<ForecastKind> forecaster_of(const std::string& name) {
  const auto found = std::ranges::find(kForecasters, name);
  if (found != kForecasters.end())
    return kForecastKinds[static_cast<std::size_t>(found - kForecasters.begin())];
  return fail(Errc::kInvalid, "--forecaster", "no forecaster is called '{}'{}",
              clip(printable(name), 60), did_you_mean(name, kForecasters));
}

// The pool as it would be: the line's what-ifs over the configuration.
Result<void> suppose(config::Pool& pool, const PlanLine& line) {
  auto& scale = *pool.autoscale;
  if (auto r = leave_out(pool, line.without_class); !r) return r;
  using Class = config::BackendClass;
  if (auto r = set_of_classes(pool, line.cold_start, "--cold-start", &Class::cold_start_s); !r)
    return r;
  if (auto r = set_of_classes(pool, line.capacity, "--capacity", &Class::capacity); !r) return r;
  if (line.budget) scale.budget_per_hour = *line.budget;
  if (line.slo_wait) scale.slo_wait_s = *line.slo_wait;
  if (line.min) scale.min = static_cast<unsigned>(*line.min);
  if (line.max) scale.max = static_cast<unsigned>(*line.max);
  if (scale.min > scale.max)
    return fail(Errc::kInvalid, "--min", "{} is more than the maximum of {}", scale.min, scale.max);
  if (!line.forecaster.empty()) {
    const auto kind = forecaster_of(line.forecaster);
    if (!kind) return forward_error(kind);
    scale.forecaster = *kind;
  }
  return {};
}

}  // namespace

std::span<const std::string_view> forecaster_names() noexcept { return kForecasters; }

Error shown(const Error& error) {
  return {error.code, printable(error.where), printable(error.message)};
}

Result<PlannedPool> planned_pool(const PlanLine& line, Output& output) {
  const auto configuration = load(line.config, output);
  if (!configuration) return forward_error(configuration);
  auto pool = choose_pool(*configuration, line.pool);
  if (!pool) return forward_error(pool);
  if (pool->autoscale)
    if (auto supposed = suppose(*pool, line); !supposed) return forward_error(supposed);
  // The first line of --step may name the class; until then one is as good as another.
  if (line.step && pool->classes.empty()) pool->classes.push_back({.name = "any"});
  auto both =
      plan::plan_of(*pool, line.drain ? static_cast<std::uint32_t>(*line.drain) : plan::kDrain);
  if (!both) return forward_error(both);
  if (line.target) both->model.target = *line.target;
  return PlannedPool{pool->name, std::move(*both)};
}

}  // namespace sluice::client
