// SPDX-License-Identifier: Apache-2.0
// What a plan found of the load alone: needs hour by hour, and the time after the trace.
#include "client/csv.hpp"
#include "client/plan_show.hpp"
#include "client/table.hpp"
#include "client/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace sluice::client {
namespace {

using nlohmann::ordered_json;

// "12:00", of the second day "36:00".
std::string clock(std::size_t seconds) {
  return fmt::format("{}:{:02}", seconds / 3600, seconds / 60 % 60);
}

std::vector<Cell> row_of(std::string title, const plan::HourNeed& need, bool prices) {
  std::vector<Cell> row{{std::move(title)},
                        {count_text(static_cast<std::uint64_t>(std::llround(need.requests)))},
                        {fmt::format("{:.2f}", need.mean_rate)},
                        {fmt::format("{:.2f}", need.peak_rate)}};
  for (const auto count : need.counts) row.push_back({std::to_string(count)});
  row.push_back({prices ? fmt::format("{:.2f}", need.cost) : ""});
  row.push_back(
      {need.uncovered > 0 ? fmt::format("{:.2f}/s", need.uncovered) : "", Tone::kWarning});
  return row;
}

ordered_json json_of(const plan::HourNeed& need, const PlanAnswer& answer) {
  ordered_json backends;
  for (std::size_t i = 0; i < need.counts.size(); ++i)
    backends[answer.model.classes[i].name] = need.counts[i];
  return {{"t_seconds", need.start_s},  {"seconds", need.seconds},
          {"requests", need.requests},  {"mean_rps", need.mean_rate},
          {"peak_rps", need.peak_rate}, {"backends", backends},
          {"cost", need.cost},          {"uncovered_rps", need.uncovered}};
}

// Of the first class, without a reserve.
std::size_t backends_for(double rate, const PlanAnswer& answer) {
  return static_cast<std::size_t>(
      std::ceil(std::max(0.0, rate / answer.model.classes.front().capacity - 1e-6)));
}

ordered_json rates_of(const PlanAnswer& answer, const plan::Prediction& prediction) {
  auto rates = ordered_json::array();
  for (const auto& rate : prediction.rates)
    rates.push_back({{"ahead_s", rate.ahead_s},
                     {"expected_rps", rate.expected},
                     {"low_rps", rate.low},
                     {"high_rps", rate.high},
                     {"mean_error_rps", rate.error},
                     {"errors", rate.errors},
                     {"backends", backends_for(rate.high, answer)}});
  return rates;
}

std::string dumped(const ordered_json& object) {
  return object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string show_needs(const PlanAnswer& answer, const plan::Needs& needs, bool colour) {
  std::vector<Column> header{{"FROM", Align::kRight},
                             {"REQUESTS", Align::kRight},
                             {"MEAN/S", Align::kRight},
                             {"PEAK/S", Align::kRight}};
  for (const auto& one : answer.model.classes)
    header.push_back({printable(one.name), Align::kRight});
  header.push_back({"COST", Align::kRight, 40, true});
  header.push_back({"LACKING", Align::kRight, 40, true});
  Table table(std::move(header));
  const bool prices = has_prices(answer);
  for (const auto& hour : needs.hours) table.add(row_of(clock(hour.start_s), hour, prices));
  table.add(row_of("all", needs.all, prices));
  double constant = 0;  // backend-hours
  for (const auto count : needs.all.counts)
    constant += count * static_cast<double>(needs.all.seconds) / 3600;
  return table.text(colour) +
         fmt::format("\nhour by hour {:.1f} backend-hours{}; constant {:.1f}{}\n",
                     static_cast<double>(needs.backend_seconds) / 3600,
                     prices ? fmt::format(" for {:.2f}", needs.cost) : "", constant,
                     prices ? fmt::format(" for {:.2f}", needs.all.cost) : "");
}

std::string needs_json(const PlanAnswer& answer, const plan::Needs& needs) {
  auto hours = ordered_json::array();
  for (const auto& hour : needs.hours) hours.push_back(json_of(hour, answer));
  return dumped({{"pool", answer.pool},
                 {"trace", answer.trace},
                 {"slo_wait_s", answer.model.slo_wait_s},
                 {"hours", hours},
                 {"all", json_of(needs.all, answer)},
                 {"cost", needs.cost},
                 {"backend_seconds", needs.backend_seconds}});
}

std::string needs_csv(const PlanAnswer& answer, const plan::Needs& needs) {
  auto rows = ordered_json::array();
  const auto add = [&](const char* span, const plan::HourNeed& need) {
    ordered_json row{{"span", span}};
    row.update(json_of(need, answer));
    rows.push_back(std::move(row));
  };
  for (const auto& hour : needs.hours) add("hour", hour);
  add("all", needs.all);
  return csv_of_rows(rows);
}

std::string show_prediction(const PlanAnswer& answer, const plan::Prediction& prediction,
                            bool colour) {
  Table table({{"AFTER", Align::kRight},
               {"EXPECTED/S", Align::kRight},
               {"5 %", Align::kRight},
               {"95 %", Align::kRight},
               {"BACKENDS", Align::kRight},
               {"MEAN ERROR", Align::kRight}});
  for (const auto& rate : prediction.rates)
    table.add({{duration_text(static_cast<double>(rate.ahead_s))},
               {fmt::format("{:.2f}", rate.expected)},
               {fmt::format("{:.2f}", rate.low)},
               {fmt::format("{:.2f}", rate.high)},
               {std::to_string(backends_for(rate.high, answer))},
               {rate.errors == 0 ? "" : fmt::format("{:.2f}/s", rate.error)}});
  return table.text(colour) +
         fmt::format("\nby {}, means of {}; backends of {} for the 95 %, without a reserve\n",
                     prediction.forecaster, duration_text(static_cast<double>(prediction.step_s)),
                     printable(answer.model.classes.front().name));
}

std::string prediction_json(const PlanAnswer& answer, const plan::Prediction& prediction) {
  return dumped({{"pool", answer.pool},
                 {"trace", answer.trace},
                 {"forecaster", prediction.forecaster},
                 {"step_s", prediction.step_s},
                 {"rates", rates_of(answer, prediction)}});
}

std::string prediction_csv(const PlanAnswer& answer, const plan::Prediction& prediction) {
  return csv_of_rows(rates_of(answer, prediction));
}

}  // namespace sluice::client
