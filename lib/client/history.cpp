// SPDX-License-Identifier: Apache-2.0
#include "client/history.hpp"

#include "client/answer.hpp"
#include "client/table.hpp"
#include "client/text.hpp"
#include "client/view.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>
#include <span>

namespace sluice::client {
namespace {

constexpr std::size_t kMostPoints = 100'000;
constexpr int kMostParts = 20;
constexpr std::uint64_t kMostTime = std::uint64_t{1} << 40U;
constexpr double kMostRate = 1e15;
constexpr std::size_t kMostRows = 30;
constexpr std::array<std::int64_t, 9> kRows = {1,    10,   60,       300,      600,
                                               1800, 3600, 6 * 3600, 24 * 3600};  // seconds

tl::unexpected<Error> senseless(std::string_view what) {
  return fail(Errc::kIo, "", "the daemon's answer makes no sense: {}", what);
}

// Takes a stretch to those before. @return where the next one begins, or nothing.
Result<std::optional<std::uint64_t>> take(const View& answer, History& history) {
  const auto from = answer["from_s"].whole();
  const auto values = answer["requests_per_s"].items();
  if (!from || *from > kMostTime || !values ||
      answer["step_s"].whole() != static_cast<std::uint64_t>(history.step_s))
    return senseless("it is no stretch of a history");
  if (values->size() > kMostPoints - history.requests_per_s.size())
    return senseless("the history has no end");
  const auto begin = static_cast<std::int64_t>(*from);
  const auto so_far = static_cast<std::int64_t>(history.requests_per_s.size());
  if (so_far == 0)
    history.from_s = begin;
  else if (begin != history.from_s + so_far * history.step_s)
    return senseless("a stretch of the history does not follow the one before");
  for (const auto& value : *values) {
    const auto rate = value.real();
    if (value.present() && (!rate || !(*rate >= 0 && *rate <= kMostRate)))
      return senseless("a load that is no number");
    history.requests_per_s.push_back(rate.value_or(std::numeric_limits<double>::quiet_NaN()));
  }
  return answer["next_s"].whole();
}

struct Row {
  double sum = 0;
  double least = std::numeric_limits<double>::infinity();
  double most = 0;
  std::size_t known = 0;
};

Row row_of(std::span<const double> values) {
  Row row;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    row.sum += value;
    row.least = std::min(row.least, value);
    row.most = std::max(row.most, value);
    ++row.known;
  }
  return row;
}

std::string time_text(std::int64_t seconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

std::string rate_text(double rate) {
  return fmt::format("{:.{}f}", rate, rate < 10 ? 2 : rate < 1000 ? 1 : 0);
}

}  // namespace

Result<History> fetch_history(Http& http, const std::string& pool, std::uint32_t step_s,
                              std::optional<std::uint32_t> lasts_s) {
  History history{.pool = pool, .step_s = step_s, .requests_per_s = {}};
  std::string from;
  for (int part = 0; part < kMostParts; ++part) {
    const auto answer = http.send(
        {fmt::format("/api/v1/scale/history?pool={}&step={}{}", escaped(pool), step_s, from),
         std::nullopt});
    if (!answer) return forward_error(answer);
    if (answer->status < 200 || answer->status >= 300) return tl::unexpected(refusal(*answer));
    const auto value = parse_answer(answer->body);
    if (!value) return forward_error(value);
    const auto next = take(View(*value), history);
    if (!next) return forward_error(next);
    if (!*next) break;
    from = fmt::format("&from={}", **next);
  }
  if (lasts_s) {
    const auto wanted = std::max<std::size_t>(1, *lasts_s / step_s);
    auto& all = history.requests_per_s;
    const auto surplus = all.size() - std::min(all.size(), wanted);
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(surplus));
    history.from_s += static_cast<std::int64_t>(surplus) * history.step_s;
  }
  return history;
}

std::string show_history(const History& history, bool colour) {
  const auto& all = history.requests_per_s;
  if (all.empty())
    return fmt::format("nothing is known yet of the load of pool {}\n", printable(history.pool));
  const auto seconds = static_cast<std::int64_t>(all.size()) * history.step_s;
  std::int64_t width = kRows.back();
  for (const auto one : kRows) {
    if (one < history.step_s || seconds / one >= static_cast<std::int64_t>(kMostRows)) continue;
    width = one;
    break;
  }
  Table table({{"FROM"},
               {"MEAN/S", Align::kRight},
               {"LEAST/S", Align::kRight},
               {"MOST/S", Align::kRight},
               {"UNKNOWN", Align::kRight}});
  // Rows begin at full hours, minutes or days.
  for (std::size_t at = 0; at < all.size();) {
    const auto begin = history.from_s + static_cast<std::int64_t>(at) * history.step_s;
    const auto left = (width - begin % width + history.step_s - 1) / history.step_s;
    const auto n = std::min(all.size() - at, static_cast<std::size_t>(left));
    const auto row = row_of(std::span(all).subspan(at, n));
    at += n;
    const auto figure = [&](double value) { return row.known == 0 ? "-" : rate_text(value); };
    table.add(
        {{time_text(begin), Tone::kStrong},
         {figure(row.sum / static_cast<double>(std::max<std::size_t>(row.known, 1)))},
         {figure(row.least)},
         {figure(row.most)},
         {row.known == n ? "-"
                         : share_text(static_cast<double>(n - row.known) / static_cast<double>(n)),
          Tone::kWarning}});
  }
  return table.text(colour);
}

std::string history_json(const History& history) {
  nlohmann::json values = nlohmann::json::array();
  for (const double value : history.requests_per_s)
    values.push_back(std::isnan(value) ? nlohmann::json() : nlohmann::json(value));
  return nlohmann::json{{"pool", history.pool},
                        {"from_s", history.from_s},
                        {"step_s", history.step_s},
                        {"requests_per_s", std::move(values)}}
             .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
         "\n";
}

std::string HistoryTrace::summary(const std::string& file) const {
  return fmt::format("{}: {} of {} s from {} on{}\n", printable(file),
                     plural(intervals, "interval"), step_s, time_text(from_s),
                     bridged == 0 ? "" : fmt::format(", {} of them bridged", bridged));
}

Result<HistoryTrace> history_trace(const History& history) {
  const auto& all = history.requests_per_s;
  const auto is_known = [](double value) { return !std::isnan(value); };
  const auto first = std::ranges::find_if(all, is_known) - all.begin();
  auto end = std::ssize(all);
  while (end > first && !is_known(all[static_cast<std::size_t>(end - 1)])) --end;
  if (end - first < 2)
    return fail(Errc::kNotFound, "pool " + printable(history.pool),
                "has too little history for a trace; wait for two intervals, or take --step 1");
  HistoryTrace trace{.text = "t_seconds,requests\n",
                     .from_s = history.from_s + first * history.step_s,
                     .step_s = history.step_s,
                     .intervals = static_cast<std::size_t>(end - first)};
  std::ptrdiff_t last = first;
  const auto rate_at = [&](std::ptrdiff_t i) { return all[static_cast<std::size_t>(i)]; };
  const auto put = [&](std::ptrdiff_t i, double rate) {
    trace.text += fmt::format("{},{:.10g}\n", (i - first) * history.step_s,
                              rate * static_cast<double>(history.step_s));
  };
  for (auto i = first; i < end; ++i) {
    if (!is_known(rate_at(i))) continue;
    for (auto gap = last + 1; gap < i; ++gap) {
      const double way = static_cast<double>(gap - last) / static_cast<double>(i - last);
      put(gap, rate_at(last) + way * (rate_at(i) - rate_at(last)));
      ++trace.bridged;
    }
    put(i, rate_at(i));
    last = i;
  }
  return trace;
}

}  // namespace sluice::client
