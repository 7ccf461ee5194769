// SPDX-License-Identifier: Apache-2.0
#include "forecast/forecaster.hpp"

#include "base/assert.hpp"
#include "forecast/arima.hpp"
#include "forecast/ensemble.hpp"
#include "forecast/fields.hpp"
#include "forecast/holt_winters.hpp"
#include "forecast/kalman.hpp"
#include "forecast/last_value.hpp"
#include "forecast/linear.hpp"
#include "forecast/network.hpp"
#include "forecast/quantile.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <string>

namespace sluice::forecast {
namespace {

constexpr std::array<std::string_view, 8> kNames = {
    "last_value", "quantile", "linear", "holt_winters", "arima", "kalman", "network", "ensemble"};

std::size_t within_reach(std::size_t ahead) {
  return std::clamp<std::size_t>(ahead, 1, kLongestAhead);
}

}  // namespace

Forecaster::Forecaster(std::size_t horizon) noexcept : horizon_(within_reach(horizon)) {}

void Forecaster::observe(double value) {
  SLUICE_ASSERT(std::isfinite(value) && value >= 0, "a load is a number from 0 on");
  step(std::min(value, kMostValue));
}

double Forecaster::at(std::size_t ahead) const {
  const double expected = expect(within_reach(ahead));
  // Not a number compares false with everything: it becomes 0.
  return expected > 0 ? std::min(expected, kMostValue) : 0;
}

void Forecaster::set_horizon(std::size_t ahead) {
  if (within_reach(ahead) == horizon_) return;
  horizon_ = within_reach(ahead);
  horizon_changed();
}

void Forecaster::keep(Fields& kept) {
  std::size_t ahead = horizon_;
  kept.whole("horizon", ahead, kLongestAhead);
  set_horizon(ahead);
  fields(kept);
}

nlohmann::json Forecaster::save() const {
  // The same list of fields serves for writing and reading; writing changes none.
  auto& self = const_cast<Forecaster&>(*this);
  nlohmann::json state = write_fields([&](Fields& to) { self.keep(to); });
  state["kind"] = name();
  return state;
}

Result<void> Forecaster::restore(const nlohmann::json& state) {
  const auto kind = state.find("kind");
  if (!state.is_object() || kind == state.end() || *kind != name())
    return fail(Errc::kInvalid, "/kind", "{} was expected", name());
  const nlohmann::json before = save();
  auto done = read_fields(state, [&](Fields& from) { keep(from); });
  if (!done) {
    const auto undone = read_fields(before, [&](Fields& from) { keep(from); });
    SLUICE_ASSERT(undone.has_value(), "what a forecaster writes it can read");
  }
  return done;
}

std::string_view name_of(Kind kind) noexcept { return kNames[static_cast<std::size_t>(kind)]; }

std::unique_ptr<Forecaster> make(Kind kind, const Options& options) {
  switch (kind) {
    case Kind::kLastValue:
      return std::make_unique<LastValue>();
    case Kind::kQuantile:
      return std::make_unique<MovingQuantile>();
    case Kind::kLinear:
      return std::make_unique<Linear>();
    case Kind::kHoltWinters:
      return std::make_unique<HoltWinters>(options.season, options.horizon);
    case Kind::kArima:
      return std::make_unique<Arima>();
    case Kind::kKalman:
      return std::make_unique<Kalman>(options.horizon);
    case Kind::kNetwork:
      return std::make_unique<Network>(options.horizon, options.seed);
    case Kind::kEnsemble:
      return std::make_unique<Ensemble>(options);
  }
  std::abort();  // a kind is one of those above
}

}  // namespace sluice::forecast
