// SPDX-License-Identifier: Apache-2.0
#include "client/plan_show.hpp"

#include "client/csv.hpp"
#include "client/table.hpp"
#include "client/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace sluice::client {
namespace {

using plan::Figures;

std::string percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

std::string requests_text(double requests) {
  return count_text(static_cast<std::uint64_t>(std::llround(std::max(0.0, requests))));
}

std::string hours(double backend_seconds) { return fmt::format("{:.1f}", backend_seconds / 3600); }

std::string classes_text(const PlanAnswer& answer) {
  std::string text;
  for (const auto& one : answer.model.classes)
    text += fmt::format("{}{}: {} requests/s, cold start {}", text.empty() ? "" : "; ", one.name,
                        one.capacity, duration_text(one.cold_start_s));
  return printable(text);
}

std::string show_one(const PlanAnswer& answer, const Figures& f, bool colour) {
  Listing list;
  list.add("pool", fmt::format("{}, {} to {} backends", printable(answer.pool), answer.model.min,
                               answer.model.max));
  list.add("classes", classes_text(answer));
  list.add("trace",
           fmt::format("{}: {} requests in {}, at most {} at once needed", printable(answer.trace),
                       requests_text(f.requests), duration_text(static_cast<double>(f.seconds)),
                       plural(f.peak_need, "backend")));
  list.add("delayed",
           fmt::format("{} of the requests waited over {} s: {}", percent(f.slo_violation_share),
                       answer.model.slo_wait_s, requests_text(f.delayed_requests)),
           f.slo_violation_share > 0.01 ? Tone::kWarning : Tone::kPlain);
  list.add("lost",
           fmt::format("{} waited over {} s", requests_text(f.lost_requests), plan::kPatience),
           f.lost_requests > 0 ? Tone::kWarning : Tone::kPlain);
  list.add("waits", fmt::format("half at most {} s, 99 % at most {} s, longest {}", f.wait_p50_s,
                                f.wait_p99_s, duration_text(static_cast<double>(f.wait_max_s))));
  list.add("too few", fmt::format("{} of the time, {} backend-hours lacking",
                                  percent(f.under_timeshare), hours(f.under_replica_seconds)));
  list.add("too many", fmt::format("{} of the time, {} backend-hours idle",
                                   percent(f.over_timeshare), hours(f.over_replica_seconds)));
  list.add("billed", fmt::format("{} backend-hours, {} backends in the mean, {} at most",
                                 hours(static_cast<double>(f.cost_replica_seconds)),
                                 f.mean_replicas, f.max_ready));
  if (has_prices(answer)) list.add("cost", fmt::format("{:.2f}", f.cost));
  list.add("actions", fmt::format("{}, {} changes of direction, {} of them within 10 min",
                                  f.scale_actions, f.direction_changes, f.flaps_within_600s));
  return list.text(colour);
}

// Cost against the oracle's, the least that there is.
std::string against(const Figures& f, const PlanAnswer& answer) {
  const auto oracle = std::ranges::find(answer.rows, "oracle", &Figures::policy);
  if (oracle == answer.rows.end() || oracle->cost_replica_seconds == 0) return "";
  return fmt::format("{:.3f}", static_cast<double>(f.cost_replica_seconds) /
                                   static_cast<double>(oracle->cost_replica_seconds));
}

std::string show_table(const PlanAnswer& answer, bool colour) {
  Table table({{"POLICY"},
               {"DELAYED", Align::kRight},
               {"LOST", Align::kRight},
               {"WAIT P99", Align::kRight},
               {"TOO FEW", Align::kRight},
               {"TOO MANY", Align::kRight},
               {"BACKEND-HOURS", Align::kRight},
               {"TO ORACLE", Align::kRight},
               {"COST", Align::kRight, 40, true},
               {"MOST", Align::kRight},
               {"ACTIONS", Align::kRight},
               {"FLAPS", Align::kRight}});
  for (const auto& f : answer.rows)
    table.add({{f.policy, &f == &answer.rows.front() ? Tone::kStrong : Tone::kPlain},
               {fmt::format("{:.3f} %", 100 * f.slo_violation_share)},
               {requests_text(f.lost_requests)},
               {fmt::format("{} s", f.wait_p99_s)},
               {percent(f.under_timeshare)},
               {percent(f.over_timeshare)},
               {hours(static_cast<double>(f.cost_replica_seconds))},
               {against(f, answer)},
               {has_prices(answer) ? fmt::format("{:.2f}", f.cost) : ""},
               {std::to_string(f.max_ready)},
               {std::to_string(f.scale_actions)},
               {std::to_string(f.flaps_within_600s)}});
  return table.text(colour);
}

}  // namespace

bool has_prices(const PlanAnswer& answer) {
  return std::ranges::any_of(answer.model.classes,
                             [](const auto& one) { return one.price_per_hour > 0; });
}

std::string show_plan(const PlanAnswer& answer, bool colour) {
  auto text = show_one(answer, answer.rows.front(), colour);
  if (answer.rows.size() > 1) text += "\n" + show_table(answer, colour);
  return text;
}

std::string plan_json(const PlanAnswer& answer) {
  nlohmann::ordered_json object{{"pool", answer.pool}, {"trace", answer.trace}};
  object.update(plan::json_of(answer.rows.front(), answer.model));
  if (answer.rows.size() > 1) {
    auto& compare = object["compare"] = nlohmann::ordered_json::array();
    for (std::size_t i = 1; i < answer.rows.size(); ++i)
      compare.push_back(plan::json_of(answer.rows[i], answer.model));
  }
  return object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string plan_csv(const PlanAnswer& answer) {
  auto rows = nlohmann::ordered_json::array();
  for (const auto& row : answer.rows) rows.push_back(plan::json_of(row, answer.model));
  return csv_of_rows(rows);
}

}  // namespace sluice::client
