// SPDX-License-Identifier: Apache-2.0
#include "control/view_backends.hpp"

#include "base/nearest.hpp"
#include "control/list_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace sluice::control {
namespace {

// Weights as the file gives them.
std::map<std::string_view, std::uint32_t> weights_in_file(const Scene& scene,
                                                          const std::string& pool) {
  std::map<std::string_view, std::uint32_t> weights;
  const auto& pools = scene.model.file().pools;
  if (const auto found = std::ranges::find(pools, pool, &config::Pool::name); found != pools.end())
    for (const auto& backend : found->backends) weights.emplace(backend.name, backend.weight);
  return weights;
}

// `entries`: room by backend number, all 0 before and after.
void read_pool(std::vector<BackendRow>& out, const Scene& scene, std::size_t index,
               std::vector<std::uint64_t>& entries, Stretch stretch) {
  const auto& pool = scene.model.running().pools[index];
  const auto& now = scene.model.snapshot();
  const auto& in_force = now.input.pools[index].backends;  // as the model has them, in its order
  for (const auto number : now.pools[index].slots) ++entries[number];
  const auto* changes = changes_of(scene, pool.name);
  const auto in_file = weights_in_file(scene, pool.name);
  std::set<std::string_view> added;
  if (changes != nullptr)
    for (const auto& backend : changes->added) added.insert(backend.name);
  const PoolStates states(scene, pool);
  const auto name = std::make_shared<const std::string>(pool.name);
  std::uint64_t weights = 0;
  for (const auto& backend : pool.backends)
    if (scene.model.use(pool, backend).takes_new_flows) weights += backend.weight;
  const auto end = stretch.end(pool.backends.size());
  for (std::size_t b = stretch.from; b < end; ++b) {
    const auto& backend = pool.backends[b];
    const auto number = in_force[b].number;
    const bool by_operator = added.contains(backend.name);
    const bool up = scene.model.use(pool, backend).takes_new_flows;
    out.push_back({.pool = name,
                   .name = backend.name,
                   .address = backend.address,
                   .number = number,
                   .weight = backend.weight,
                   .weight_now = in_force[b].weight,  // less than asked in slow start
                   .configured_weight = by_operator ? backend.weight : in_file.at(backend.name),
                   .state = states.of(backend),
                   .wish = word(wish_of(changes, backend.name)),
                   .by_operator = by_operator,
                   .next_hop = next_hop_of(scene, backend.address, pool.forwarding),
                   .slots = entries[number],
                   .slots_share = share(entries[number], now.pools[index].slots.size()),
                   .weight_share = up ? share(backend.weight, weights) : 0.0,
                   .traffic = traffic_of_backend(scene.fast_path, number),
                   .active_flows = scene.fast_path.active_flows(number)});
  }
  for (const auto& backend : in_force) entries[backend.number] = 0;
}

Json list_of(std::span<const BackendRow> rows) {
  Json list = Json::array();
  for (const auto& row : rows) list.push_back(to_json(row));
  return list;
}

}  // namespace

std::vector<BackendRow> backend_rows(const Scene& scene, std::size_t pool, Stretch stretch) {
  std::vector<BackendRow> rows;
  std::vector<std::uint64_t> entries(scene.model.snapshot().backends.size());
  read_pool(rows, scene, pool, entries, stretch);
  return rows;
}

// Key by key, without look-ups or temporaries: a node may have tens of thousands of these.
Json to_json(const BackendRow& row) {
  Json::object_t out;
  out.reserve(19);
  const auto add = [&](const char* key, auto&& value) {
    out.emplace_back(key, std::forward<decltype(value)>(value));
  };
  add("pool", *row.pool);
  add("name", row.name);
  add("address", row.address.text());
  add("number", row.number);
  add("weight", row.weight);
  add("weight_now", row.weight_now);
  add("configured_weight", row.configured_weight);
  add("state", row.state);
  add("operator", row.wish);
  add("origin", row.by_operator ? "operator" : "configuration");
  add("next_hop", to_json(row.next_hop));
  add("slots", row.slots);
  add("slots_share", row.slots_share);
  add("weight_share", row.weight_share);
  add("packets", row.traffic.packets);
  add("bytes", row.traffic.bytes);
  add("new_flows", row.traffic.new_flows);
  add("active_flows", row.active_flows);
  return out;
}

Json backends_of(const Scene& scene, std::size_t pool, Stretch stretch) {
  return list_of(backend_rows(scene, pool, stretch));
}

Result<BackendsText> BackendsText::read(const Scene& scene, const std::string& pool) {
  const auto& pools = scene.model.running().pools;
  BackendsText text;
  std::vector<std::uint64_t> entries(scene.model.snapshot().backends.size());
  bool found = pool.empty();
  for (std::size_t p = 0; p < pools.size(); ++p) {
    if (!pool.empty() && pools[p].name != pool) continue;
    found = true;
    read_pool(text.rows_, scene, p, entries, {});
  }
  if (found) return text;
  std::vector<std::string_view> names;
  for (const auto& one : pools) names.push_back(one.name);
  return fail(Errc::kNotFound, "pool " + pool, "does not exist{}", did_you_mean(pool, names));
}

Json BackendsText::json() const { return {{"backends", list_of(rows_)}}; }

bool BackendsText::next(std::string& out) {
  if (std::exchange(ended_, at_ + kRowsPerPiece >= rows_.size())) return false;
  if (rows_.empty()) {
    out += "{\n  \"backends\": []\n}\n";
    return true;
  }
  out += at_ == 0 ? "{\n  \"backends\": [\n" : ",\n";
  const auto some = std::min(kRowsPerPiece, rows_.size() - at_);
  out += elements(list_of(std::span(rows_).subspan(at_, some)), 1);
  at_ += some;
  if (ended_) out += kEndOfList;
  return true;
}

Result<Json> view_backends(const Scene& scene, const std::string& pool) {
  const auto text = BackendsText::read(scene, pool);
  if (!text) return forward_error(text);
  return text->json();
}

}  // namespace sluice::control
