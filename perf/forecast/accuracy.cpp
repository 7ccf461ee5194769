// SPDX-License-Identifier: Apache-2.0
// How far off each forecaster is on a recorded load: forecast_accuracy < TRACE.csv
// A trace has a header line, then per interval its start in seconds and the requests in it. Printed
// for each forecaster and horizon: mean absolute error over the mean load, whether errors are taken
// as ratios or additive, the 95th percentile's margin, and how often the truth stayed below it.
#include "forecast/forecaster.hpp"
#include "forecast/residuals.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <deque>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::forecast {
namespace {

constexpr double kStep_s = 15;
constexpr std::array<std::size_t, 2> kHorizons = {5, 13};  // 75 s and 195 s

bool parse(std::string_view text, double& value) {
  return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
}

// Requests a second, by steps. What an interval of the trace holds is spread evenly over it.
std::vector<double> read(std::istream& in) {
  std::vector<std::pair<double, double>> rows;
  std::string line;
  while (std::getline(in, line)) {
    const auto comma = line.find(',');
    std::pair<double, double> row;
    if (comma == std::string::npos || !parse(line, row.first)) continue;
    if (parse(std::string_view(line).substr(comma + 1), row.second)) rows.push_back(row);
  }
  if (rows.size() < 2) return {};
  const double interval = rows[1].first - rows[0].first;
  const double end = rows.back().first + interval;
  std::vector<double> load(static_cast<std::size_t>(end / kStep_s));
  for (const auto& [start, requests] : rows) {
    double from = start;
    while (from < start + interval) {
      const auto step = static_cast<std::size_t>(from / kStep_s);
      const double to = std::min(start + interval, static_cast<double>(step + 1) * kStep_s);
      if (step < load.size()) load[step] += requests * (to - from) / interval / kStep_s;
      from = to;
    }
  }
  return load;
}

void judge(Kind kind, std::size_t ahead, const std::vector<double>& load) {
  const auto forecaster = make(kind, {.horizon = ahead});
  Residuals residuals(ahead);
  std::deque<std::pair<double, double>> open;  // promise and bound
  double error = 0;
  double truth = 0;
  double bound = 0;
  double below = 0;
  double judged = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (const double value : load) {
    if (open.size() == ahead) {
      error += std::abs(value - open.front().first);
      truth += value;
      bound += open.front().second;
      below += value <= open.front().second ? 1 : 0;
      ++judged;
      open.pop_front();
    }
    forecaster->observe(value);
    const double promise = forecaster->at(ahead);
    residuals.step(value, promise);
    open.emplace_back(promise, residuals.bound(promise, 0.95));
  }
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
  std::printf("%-13s %5.0f s   %6.4f   %-8s %6.3f %6.1f %%  %8.2f us a step\n",
              std::string(forecaster->name()).c_str(), static_cast<double>(ahead) * kStep_s,
              error / truth, residuals.sparse() ? "additive" : "ratio", bound / truth,
              100 * below / judged, took.count() / static_cast<double>(load.size()));
}

}  // namespace
}  // namespace sluice::forecast

int main() {
  using namespace sluice::forecast;
  const std::vector<double> load = read(std::cin);
  if (load.size() < 2 * kHorizons.back()) {
    std::fputs("forecast_accuracy: standard input is no trace: SECONDS,REQUESTS lines\n", stderr);
    return 2;
  }
  std::puts("forecaster    ahead     error    margin   bound  below it");
  for (const std::size_t ahead : kHorizons)
    for (int kind = 0; kind <= static_cast<int>(Kind::kEnsemble); ++kind)
      judge(static_cast<Kind>(kind), ahead, load);
  return 0;
}
