// SPDX-License-Identifier: Apache-2.0
// Every figure of every policy is what the reference simulator prints; reference/README.md says
// where its figures come from.
#include "plan/figures.hpp"
#include "plan/oracle.hpp"
#include "plan/rivals.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <string>

namespace sluice::plan {
namespace {

using nlohmann::json;

std::vector<json> runs() {
  std::vector<json> list;
  std::ifstream file(std::string(SLUICE_PLAN_REFERENCE) + "/figures.jsonl");
  for (std::string line; std::getline(file, line);) list.push_back(json::parse(line));
  return list;
}

const Arrivals& arrivals_of(const std::string& trace) {
  static std::map<std::string, Arrivals> known;
  if (const auto at = known.find(trace); at != known.end()) return at->second;
  const auto read = read_trace(std::string(SLUICE_PLAN_REFERENCE) + "/" + trace);
  EXPECT_TRUE(read) << read.error().text();
  return known.emplace(trace, Arrivals(read.value())).first->second;
}

PoolModel recorded_pool(const json& run) {
  PoolModel pool;
  pool.classes = {{.name = "reference",
                   .capacity = run["capacity_rps"],
                   .service_time_s = run["service_time_s"],
                   .cold_start_s = run["cold_start_s"]}};
  pool.min = run["min"];
  pool.max = run["max"];
  pool.slo_wait_s = run["slo_wait_s"];
  pool.drain_s = run["drain"];
  pool.target = run["target"].is_null() ? 0.0 : run["target"].get<double>();
  return pool;
}

Rival rival_of(const std::string& name) {
  const auto all = rivals();
  const auto found = std::ranges::find(all, name, name_of);
  EXPECT_NE(found, all.end()) << name;
  return *found;
}

TEST(Reference, EveryFigureOfEveryPolicyAgrees) {
  const std::set<std::string> about{"trace", "policy", "target", "drain"};
  std::size_t compared = 0;
  for (const auto& run : runs()) {
    const auto& arrivals = arrivals_of(run["trace"]);
    const auto pool = recorded_pool(run);
    const auto need = backends_needed(arrivals, pool);
    const auto course = run_rival(rival_of(run["policy"]), arrivals, pool, need);
    const auto ours = json_of(figures_of(arrivals, pool, need, course), pool);
    for (const auto& [key, value] : run.items()) {
      if (about.contains(key)) continue;
      ASSERT_TRUE(ours.contains(key)) << key;
      // Counts agree exactly, shares to the last of their six decimals.
      EXPECT_NEAR(ours[key].get<double>(), value.get<double>(),
                  value.is_number_integer() ? 0 : 1e-6)
          << run["trace"] << ' ' << run["policy"] << ' ' << run["cold_start_s"] << ' ' << key;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 4U * 3 * 8 * 27);  // traces, cold starts, policies, figures
}

TEST(Reference, ThereAreRunsInWhichRequestsAreLateAndSomeInWhichNoneAre) {
  std::size_t late = 0;
  std::size_t in_time = 0;
  for (const auto& run : runs()) ++(run["slo_violation_share"] > 0.0 ? late : in_time);
  EXPECT_GT(late, 20U);
  EXPECT_GT(in_time, 20U);
}

}  // namespace
}  // namespace sluice::plan
