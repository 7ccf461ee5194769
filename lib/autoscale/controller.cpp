// SPDX-License-Identifier: Apache-2.0
#include "autoscale/controller.hpp"

#include "autoscale/controller_state.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <utility>

namespace sluice::autoscale {
namespace {

constexpr double kMostDrain = 86400;  // s
constexpr double kDrainMemory = 0.2;  // weight of the last drain

}  // namespace

Controller::Controller(Options options) : state_(std::make_unique<State>(std::move(options))) {}
Controller::Controller(Controller&&) noexcept = default;
Controller& Controller::operator=(Controller&&) noexcept = default;
Controller::~Controller() = default;

const Decision& Controller::tick(const Observation& seen) {
  state_->decide(seen);
  return state_->decision;
}

const Decision& Controller::decision() const noexcept { return state_->decision; }

void Controller::override_with(unsigned count, std::optional<double> until_t) {
  state_->standing = Standing::kOverride;
  state_->override_count = count;
  state_->override_until = until_t;
}

void Controller::resume() noexcept {
  state_->standing = Standing::kAuto;
  state_->override_until.reset();
}

void Controller::pause() noexcept {
  state_->standing = Standing::kPaused;
  state_->override_until.reset();
}

Standing Controller::standing() const noexcept { return state_->standing; }

void Controller::learn_start(std::size_t index, double seconds) {
  if (index < state_->learning.size()) state_->learning[index].start(seconds);
}

void Controller::learn_drain(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > kMostDrain) return;
  const double before = state_->drain_s.value_or(state_->options.drain_s);
  state_->drain_s = before + kDrainMemory * (seconds - before);
}

void Controller::learn_capacity(std::size_t index, double requests_per_second) {
  if (index < state_->learning.size()) state_->learning[index].capacity(requests_per_second);
}

Learned Controller::learned(std::size_t index) const {
  return index < state_->learning.size() ? state_->learning[index].figures() : Learned{};
}

void Controller::configure(Options options) { state_->configure(std::move(options)); }

nlohmann::json Controller::save() const {
  const double origin = state_->last_t.value_or(0);
  nlohmann::json learning = nlohmann::json::object();
  for (std::size_t i = 0; i < state_->learning.size(); ++i)
    learning[state_->options.classes[i].name] =
        forecast::write_fields([&](auto& fields) { state_->learning[i].keep(fields); });
  return {{"learning", std::move(learning)},
          {"state", forecast::write_fields([&](auto& fields) { state_->keep(fields, origin); })}};
}

Result<void> Controller::restore(const nlohmann::json& state, double t_now) {
  if (!state.is_object() || !state.contains("learning") || !state.contains("state") ||
      !state.at("learning").is_object())
    return fail(Errc::kInvalid, "scale", "is not the state of a controller");
  auto fresh = std::make_unique<State>(state_->options);
  for (std::size_t i = 0; i < fresh->learning.size(); ++i) {
    const auto known = state.at("learning").find(fresh->options.classes[i].name);
    if (known == state.at("learning").end()) continue;
    auto read = forecast::read_fields(
        *known, [&](forecast::Fields& fields) { fresh->learning[i].keep(fields); });
    if (!read) return read;
  }
  fresh->configure(fresh->options);  // horizon and grain by what was learned
  auto read = forecast::read_fields(state.at("state"),
                                    [&](forecast::Fields& fields) { fresh->keep(fields, t_now); });
  if (!read) return read;
  state_ = std::move(fresh);
  return {};
}

}  // namespace sluice::autoscale
