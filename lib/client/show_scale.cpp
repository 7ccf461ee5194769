// SPDX-License-Identifier: Apache-2.0
// The tables of `sluicectl scale`.
#include "client/show.hpp"
#include "client/table.hpp"
#include "client/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sluice::client {
namespace {

constexpr std::size_t kLatest = 10;  // decisions of one pool that are shown
constexpr std::size_t kWidestReason = 160;

std::string short_decimal(const View& value) {
  const auto number = value.real();
  if (!number) return "?";
  return fmt::format("{:.{}f}", *number, *number < 10 ? 2 : *number < 1000 ? 1 : 0);
}

// "auto", "override, 12 min left", "paused", with ", advice only" where nothing is carried out.
std::string standing_text(const View& pool) {
  std::string text = pool["standing"].text(20);
  if (pool["override_left_s"].present())
    text += fmt::format(", {} left", pool["override_left_s"].duration());
  if (pool["mode"].is("advise")) text += ", advice only";
  return text;
}

Tone tone_of_standing(const View& pool) {
  return pool["standing"].is("auto") && !pool["mode"].is("advise") ? Tone::kPlain : Tone::kWarning;
}

// The sum of a count over the classes; "?" where one is none.
std::string sum_text(const std::vector<View>& classes, std::string_view key) {
  std::uint64_t sum = 0;
  for (const auto& one : classes) {
    const auto n = one[key].whole();
    if (!n) return "?";
    sum += *n;
  }
  return count_text(sum);
}

std::string scaling_note(const View& pool) {
  std::string note;
  const auto add = [&](std::string text) { note += (note.empty() ? "" : ", ") + std::move(text); };
  if (pool["awaits"].is_true()) add("clients wait for the first backend");
  if (pool["actuator"]["trouble"].present())
    add("actuator: " + pool["actuator"]["trouble"].text(120));
  if (pool["decision"]["uncovered_per_s"].real().value_or(0) > 0)
    add(short_decimal(pool["decision"]["uncovered_per_s"]) + "/s uncovered");
  return note;
}

void add_pool(Table& table, const View& pool, const std::vector<View>& classes) {
  const auto& decision = pool["decision"];
  const bool decided = decision.present();
  const auto figure = [&](std::string_view key) {
    return decided ? short_decimal(decision[key]) : "-";
  };
  table.add({{pool["name"].text(), Tone::kStrong},
             {standing_text(pool), tone_of_standing(pool)},
             {figure("demand_per_s")},
             {figure("backlog")},
             {figure("forecast_per_s")},
             {decided ? decision["desired"].count() : "-"},
             {sum_text(classes, "ready")},
             {sum_text(classes, "starting")},
             {sum_text(classes, "draining")},
             {sum_text(classes, "asleep")},
             {figure("cost_per_hour")},
             {decided ? decision["reason"].text(kWidestReason) : "nothing is decided yet"},
             {scaling_note(pool), Tone::kWarning}});
}

Result<std::string> details(const View& pool, const Look& look) {
  const auto classes = list_of(pool, "classes");
  if (!classes) return forward_error(classes);
  Table by_class({{"CLASS"},
                  {"WANTED", Align::kRight},
                  {"READY", Align::kRight},
                  {"STARTING", Align::kRight},
                  {"DRAINING", Align::kRight},
                  {"ASLEEP", Align::kRight},
                  {"COLD START", Align::kRight},
                  {"CAPACITY/S", Align::kRight},
                  {"PRICE/H", Align::kRight},
                  {"NOTE", Align::kLeft, 80, true}});
  for (const auto& one : *classes) {
    const auto failed = one["starts_failed_in_a_row"].whole().value_or(0);
    const auto held = one["held_back_s"].real().value_or(0);
    std::string note;
    if (failed != 0) note = plural(failed, "start") + " failed in a row";
    if (held > 0) note += fmt::format(", the next one in {}", duration_text(held));
    by_class.add({{one["name"].text(), Tone::kStrong},
                  {pool["decision"]["wanted"][one["name"].text()].count()},
                  {one["ready"].count()},
                  {one["starting"].count()},
                  {one["draining"].count()},
                  {one["asleep"].count()},
                  {one["cold_start_s"].duration()},
                  {short_decimal(one["capacity_per_s"])},
                  {short_decimal(one["price_per_hour"])},
                  {note, Tone::kBad}});
  }
  std::string out = "\n" + by_class.text(look.colour);
  const auto units = list_of(pool, "backends");
  if (units && !units->empty()) {
    Table table({{"BACKEND"}, {"CLASS"}, {"ADDRESS"}, {"PHASE"}, {"SINCE", Align::kRight}});
    for (const auto& unit : *units)
      table.add({{unit["name"].text(), Tone::kStrong},
                 {unit["class"].text()},
                 {unit["address"].present() ? unit["address"].text() : "-"},
                 {unit["phase"].text()},
                 {unit["since_s"].duration()}});
    out += "\n" + table.text(look.colour);
  }
  const auto told = list_of(pool, "decisions");
  if (!told) return forward_error(told);
  Table table({{"DECIDED", Align::kRight},
               {"CAUSE"},
               {"WANTED", Align::kRight},
               {"DECISION", Align::kLeft, kWidestReason}});
  for (auto i = told->size() - std::min(told->size(), kLatest); i < told->size(); ++i) {
    const auto& one = (*told)[i];
    table.add({{ago_text(one["time"].text(), look.now)},
               {one["cause"].text()},
               {one["desired"].count()},
               {one["reason"].text(kWidestReason)}});
  }
  if (!table.empty()) out += "\n" + table.text(look.colour);
  return out;
}

}  // namespace

Result<std::string> show_scale(const View& answer, const Look& look, const std::string& pool) {
  const auto pools = list_of(answer, "pools");
  if (!pools) return forward_error(pools);
  if (pools->empty()) {
    if (!pool.empty())
      return fail(Errc::kNotFound, "pool " + printable(pool), "is not scaled, or does not exist");
    return "no pool is scaled; give one 'autoscale' in the configuration\n";
  }
  Table table({{"POOL"},
               {"STANDING"},
               {"DEMAND/S", Align::kRight},
               {"BACKLOG", Align::kRight},
               {"FORECAST/S", Align::kRight},
               {"WANTED", Align::kRight},
               {"READY", Align::kRight},
               {"STARTING", Align::kRight},
               {"DRAINING", Align::kRight},
               {"ASLEEP", Align::kRight},
               {"COST/H", Align::kRight},
               {"REASON", Align::kLeft, kWidestReason},
               {"NOTE", Align::kLeft, 120, true}});
  for (const auto& one : *pools) {
    const auto classes = list_of(one, "classes");
    if (!classes) return forward_error(classes);
    add_pool(table, one, *classes);
  }
  std::string out = table.text(look.colour);
  if (pool.empty()) return out;
  const auto more = details(pools->front(), look);
  if (!more) return more;
  return out + *more;
}

Result<std::string> show_scaled(const View& answer, const Look&) {
  const auto& decision = answer["decision"];
  if (!answer["standing"].is_string())
    return fail(Errc::kIo, "", "the daemon's answer does not say how the pool stands");
  return fmt::format("pool {}: {}{}{}\n", answer["name"].text(), standing_text(answer),
                     decision.present() ? "; " + decision["reason"].text(kWidestReason) : "",
                     answer["mode"].is("advise") ? "; nothing is carried out" : "");
}

}  // namespace sluice::client
