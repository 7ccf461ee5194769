// SPDX-License-Identifier: Apache-2.0
#include "autoscale/controller.hpp"

#include "autoscale/controller_state.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace sluice::autoscale {
namespace {

constexpr unsigned kMostOverride = 1'000'000;
constexpr std::size_t kMostClasses = 256;
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
  state_->override_count = std::min(count, kMostOverride);
  state_->override_until.reset();
  if (until_t && std::isfinite(*until_t)) state_->override_until = *until_t;
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
  const std::size_t count = state_->options.classes.size();
  nlohmann::json names = nlohmann::json::array();
  nlohmann::json classes = nlohmann::json::object();
  for (std::size_t i = 0; i < count; ++i) {
    const auto& name = state_->options.classes[i].name;
    names.push_back(name);
    classes[name] = forecast::write_fields([&](auto& fields) { state_->keep_class(fields, i); });
  }
  return {{"order", std::move(names)},
          {"classes", std::move(classes)},
          {"state",
           forecast::write_fields([&](auto& fields) { state_->keep(fields, origin, count); })}};
}

Result<void> Controller::restore(const nlohmann::json& state, double t_now) {
  if (!state.is_object() || !state.contains("order") || !state.contains("classes") ||
      !state.contains("state"))
    return fail(Errc::kInvalid, "scale", "is not the state of a controller");
  const auto& order = state.at("order");
  const auto& classes = state.at("classes");
  if (!order.is_array() || order.size() > kMostClasses ||
      !std::ranges::all_of(order, [](const auto& name) { return name.is_string(); }))
    return fail(Errc::kInvalid, "/order", "names of classes were expected");
  if (!classes.is_object()) return fail(Errc::kInvalid, "/classes", "an object was expected");
  if (!std::isfinite(t_now)) return fail(Errc::kInvalid, "", "{} is no time", t_now);
  auto fresh = std::make_unique<State>(state_->options);
  nlohmann::json names = nlohmann::json::array();
  for (std::size_t i = 0; i < fresh->options.classes.size(); ++i) {
    const auto& name = fresh->options.classes[i].name;
    names.push_back(name);
    fresh->decision.wanted[i] = 0;
    const auto known = classes.find(name);
    if (known == classes.end()) continue;
    auto read = forecast::read_fields(
        *known, [&](forecast::Fields& fields) { fresh->keep_class(fields, i); });
    if (!read) return read;
  }
  fresh->sum_wanted();
  auto read = forecast::read_fields(state.at("state"), [&](forecast::Fields& fields) {
    fresh->keep(fields, t_now, order.size());
  });
  if (!read) return read;
  // Other classes than then: what was meant for those is not on its way any more.
  if (order != names) fresh->settling.forget_classes();
  state_ = std::move(fresh);
  return {};
}

}  // namespace sluice::autoscale
