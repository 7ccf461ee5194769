// SPDX-License-Identifier: Apache-2.0
// What the workers remember: samples of their flows, and what they know of one flow.
#include "control/flow_samples.hpp"
#include "control/view_parts.hpp"

#include <nlohmann/json.hpp>

#include <random>

namespace sluice::control {
namespace {

std::string_view state_word(flow::State state) {
  switch (state) {
    case flow::State::kNew:
      return "new";
    case flow::State::kEstablished:
      return "established";
    case flow::State::kClosing:
      return "closing";
    case flow::State::kFree:
      break;
  }
  return "free";
}

std::string_view state_word(flow::NatState state) {
  switch (state) {
    case flow::NatState::kNew:
      return "new";
    case flow::NatState::kAnswered:
      return "answered";
    case flow::NatState::kEstablished:
      return "established";
    case flow::NatState::kClientFinished:
      return "client_finished";
    case flow::NatState::kBackendFinished:
      return "backend_finished";
    case flow::NatState::kClosing:
      return "closing";
    case flow::NatState::kFree:
      break;
  }
  return "free";
}

// "POOL" and "BACKEND" of each number.
struct Owner {
  const config::Pool* pool = nullptr;
  const config::Backend* backend = nullptr;
};

std::vector<Owner> owners(const Scene& scene) {
  std::vector<Owner> owners(scene.model.snapshot().backends.size());
  for (const auto& pool : scene.model.running().pools)
    for (const auto& backend : pool.backends)
      if (const auto number = scene.model.number(pool, backend); number < owners.size())
        owners[number] = {&pool, &backend};
  return owners;
}

flow::Tick tick_of(const dataplane::Worker& worker) {
  return static_cast<flow::Tick>(worker.counters().ticks.value() & flow::kTickMask);
}

std::uint64_t seconds_since(flow::Tick then, flow::Tick now) {
  return std::uint64_t{static_cast<flow::Tick>((now - then) & flow::kTickMask)} *
         flow::kTickSeconds;
}

Owner owner_of(const std::vector<Owner>& names, flow::BackendNumber number) {
  return number < names.size() ? names[number] : Owner{};
}

// Of an entry of a flow cache, or of a NAT session.
Json entry_json(const auto& sample, flow::Tick now, const Owner& owner) {
  return {{"state", state_word(sample.state)},
          {"idle_s", seconds_since(sample.tick, now)},
          {"pool", owner.pool == nullptr ? Json(nullptr) : Json(owner.pool->name)},
          {"backend", owner.backend == nullptr ? Json(nullptr) : Json(owner.backend->name)},
          {"number", sample.backend}};
}

Json flow_json(const flow::Sample& sample, flow::Tick now, const Owner& owner) {
  Json one = entry_json(sample, now, owner);
  one["tag"] = fmt::format("{:08x}", sample.tag);
  return one;
}

Json session_json(const dataplane::Worker& worker, const FlowKey& key,
                  const std::vector<Owner>& names) {
  const auto known = worker.nat().known(key);
  if (!known) return nullptr;
  Json one = entry_json(known->sample, tick_of(worker), owner_of(names, known->sample.backend));
  one["local"] = address_text(known->local.data(), key.family);
  one["local_port"] = Be16::from_wire(known->local_port).to_host();
  return one;
}

bool is_wanted(const Owner& owner, const FlowFilter& filter) {
  if (!filter.pool.empty() && (owner.pool == nullptr || owner.pool->name != filter.pool))
    return false;
  return filter.backend.empty() ||
         (owner.backend != nullptr && owner.backend->name == filter.backend);
}

}  // namespace

Json view_flows(const Scene& scene, const FlowFilter& filter) {
  const auto names = owners(scene);
  // Another part of a large cache each time.
  static std::mt19937_64 random{std::random_device{}()};
  Json flows = Json::array();
  std::uint64_t looked_at = 0;
  std::uint64_t capacity = 0;
  const auto workers = scene.fast_path.workers().size();
  std::size_t nth = 0;
  for (const auto& worker : scene.fast_path.workers()) {
    const auto& cache = worker->cache();
    const auto now = tick_of(*worker);
    // Each worker its part of what is asked for, and what those before it left.
    const std::size_t upto = filter.limit * ++nth / workers;
    capacity += cache.capacity();
    if (flows.size() >= upto) continue;
    looked_at += each_sample(cache, random(), [&](const flow::Sample& sample) {
      const auto owner = owner_of(names, sample.backend);
      if (!is_wanted(owner, filter)) return true;
      auto one = flow_json(sample, now, owner);
      one["worker"] = worker->settings().number;
      flows.push_back(std::move(one));
      return flows.size() < upto;
    });
  }
  return {{"flows", std::move(flows)}, {"looked_at", looked_at}, {"capacity", capacity}};
}

Json known_flow(const Scene& scene, const KnownFlow& flow) {
  const auto names = owners(scene);
  Json found = Json::array();
  for (const auto& worker : scene.fast_path.workers()) {
    const auto& cache = worker->cache();
    const auto now = tick_of(*worker);
    Json one = {{"worker", worker->settings().number}, {"cached", false}};
    if (const auto sample = find_sample(cache, flow.hash, now, flow.timeout)) {
      one["cached"] = true;
      one.update(flow_json(*sample, now, owner_of(names, sample->backend)));
    }
    if (flow.source) {
      const auto sample = find_sample(worker->sources(), *flow.source, now, flow.timeout);
      one["source"] = sample ? flow_json(*sample, now, owner_of(names, sample->backend)) : Json();
    }
    if (scene.model.snapshot().nat.any()) one["session"] = session_json(*worker, flow.key, names);
    found.push_back(std::move(one));
  }
  return found;
}

}  // namespace sluice::control
