// SPDX-License-Identifier: Apache-2.0
#include "control/movement_report.hpp"

#include "control/api_parse.hpp"

#include <nlohmann/json.hpp>

namespace sluice::control {
namespace {

struct Flows {
  std::uint64_t now = 0;
  std::uint64_t move = 0;
  std::uint64_t kept = 0;
};

Json json_of(const Flows& flows) {
  return {{"now", flows.now}, {"move", flows.move}, {"kept", flows.kept}};
}

Flows flows_of(const std::vector<snapshot::Loss>& losses, const ActiveFlows& active) {
  Flows sum;
  for (const auto& loss : losses) {
    const auto flows = active(loss.number);
    sum.now += flows;
    if (loss.left)
      sum.move += flows;
    else if (loss.had != 0)
      sum.kept +=
          static_cast<std::uint64_t>(static_cast<double>(flows) * static_cast<double>(loss.lost) /
                                     static_cast<double>(loss.had));
  }
  return sum;
}

ActiveFlows flows_in(const FastPath& fast_path) {
  return [&](std::uint16_t backend) { return fast_path.active_flows(backend); };
}

}  // namespace

void add_movement(Json& report, const Published& published, const ActiveFlows& active) {
  Flows all;
  Json pools = Json::array();
  for (const auto& pool : published.pools) {
    const auto flows = flows_of(pool.losses, active);
    all.now += flows.now;
    all.move += flows.move;
    all.kept += flows.kept;
    pools.push_back({{"name", pool.pool},
                     {"slots", pool.movement.moved},
                     {"least", pool.movement.least},
                     {"of", pool.movement.total},
                     {"flows", json_of(flows)}});
  }
  report["flows"] = json_of(all);
  report["pools"] = std::move(pools);
}

void add_movement(Json& report, const Published& published, const FastPath& fast_path) {
  add_movement(report, published, flows_in(fast_path));
}

Result<Json> foreseen_report(const Model& model, const config::Configuration& wanted,
                             const ActiveFlows& active) {
  const auto changes = config::difference(model.running(), wanted);
  Json report = {{"generation", model.snapshot().generation}, {"changes", changes_json(changes)}};
  add_wish_changes(report, wishes_of(model), {});
  Json restart = Json::array();
  for (const auto& change : changes)
    if (!change.reloadable) restart.push_back(change.path);
  report["restart"] = std::move(restart);
  const auto foreseen = model.foresee(wanted);
  if (!foreseen) return forward_error(foreseen);
  report["generation"] = foreseen->generation;
  report["moved"] = {{"slots", foreseen->movement.moved},
                     {"least", foreseen->movement.least},
                     {"of", foreseen->movement.total}};
  add_movement(report, *foreseen, active);
  return report;
}

Result<Json> foreseen_report(const Model& model, const config::Configuration& wanted,
                             const FastPath& fast_path) {
  return foreseen_report(model, wanted, flows_in(fast_path));
}

}  // namespace sluice::control
