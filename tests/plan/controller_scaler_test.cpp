// SPDX-License-Identifier: Apache-2.0
// The controller in a simulated pool: decides there as it does line by line, and always alike.
#include "plan/controller_scaler.hpp"

#include "forecast/dice.hpp"
#include "plan/figures.hpp"
#include "plan/oracle.hpp"
#include "plan/pool_of.hpp"
#include "plan/simulated_pool.hpp"
#include "plan/step.hpp"
#include "plan/traces.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sluice::plan {
namespace {

using nlohmann::json;

config::Pool pool() {
  config::Pool pool;
  pool.name = "llama";
  pool.classes = {{.name = "h100", .capacity = 0.5, .service_time_s = 8, .cold_start_s = 59.5}};
  pool.autoscale.emplace();
  pool.autoscale->max = 60;
  return pool;
}

Arrivals burst() {
  const auto trace = read_trace(std::string(SLUICE_PLAN_REFERENCE) + "/burst.csv");
  EXPECT_TRUE(trace) << trace.error().text();
  return Arrivals(trace.value(), 0.1);
}

// Decides by lines of JSON, as a simulator at the other end of a pipe would let it.
class LineScaler final : public Scaler {
 public:
  LineScaler(autoscale::Controller::Options options, const PoolModel& model)
      : tick_s_(static_cast<std::uint32_t>(options.autoscale.tick_s)), step_(std::move(options)) {
    const auto& one = model.classes.front();
    const json config{{"cold_start", one.cold_start_s},
                      {"capacity", one.capacity},
                      {"service_time", one.service_time_s},
                      {"min", model.min},
                      {"max", model.max},
                      {"tick", tick_s_},
                      {"slo_wait", model.slo_wait_s},
                      {"drain", model.drain_s}};
    EXPECT_EQ(step_.take(json{{"config", config}}.dump()).value(), "");
  }

  [[nodiscard]] std::uint32_t tick_s() const noexcept override { return tick_s_; }
  void want(const View& view, std::span<std::int64_t> wanted) override {
    const auto seen = observation_of(view, tick_s_, 0);
    const json line{{"t", seen.t},
                    {"arrivals", seen.arrivals},
                    {"served", seen.served},
                    {"ready", view.ready},
                    {"starting", view.starting},
                    {"queue", seen.queue},
                    {"inflight", seen.inflight}};
    const auto answer = step_.take(line.dump());
    ASSERT_TRUE(answer) << answer.error().text();
    wanted.front() = json::parse(*answer)["desired"];
  }

 private:
  std::uint32_t tick_s_;
  Step step_;
};

std::string text_of(const std::vector<Action>& actions) {
  std::string text;
  for (const auto& action : actions) text += fmt::format("{} {}\n", action.t, action.wanted);
  return text;
}

TEST(ControllerScaler, DecidesAsItDoesLineByLine) {
  const auto planned = plan_of(pool()).value();
  const auto arrivals = burst();
  ControllerScaler inside(planned.options, 0);
  LineScaler by_lines(planned.options, planned.model);
  const auto first = simulate(arrivals, planned.model, inside);
  const auto second = simulate(arrivals, planned.model, by_lines);
  EXPECT_EQ(text_of(first.actions), text_of(second.actions));
  EXPECT_GT(first.actions.size(), 4U);
}

TEST(ControllerScaler, TheSameLoadLeadsToTheSameDecisionsAndReasons) {
  const auto planned = plan_of(pool()).value();
  const auto arrivals = burst();
  std::array<std::string, 2> said;
  for (auto& text : said) {
    ControllerScaler scaler(planned.options, 0, [&](const View&, const autoscale::Decision& made) {
      text += fmt::format("{} {} {}\n", made.t, made.desired, made.reason);
    });
    (void)simulate(arrivals, planned.model, scaler);
  }
  EXPECT_EQ(said[0], said[1]);
  EXPECT_GT(said[0].size(), 10'000U);
}

// Another program every five minutes, which knows what the last one saved and no more.
class Restarted final : public Scaler {
 public:
  explicit Restarted(autoscale::Controller::Options options)
      : options_(std::move(options)), scaler_(std::in_place, options_, 0) {}

  [[nodiscard]] std::uint32_t tick_s() const noexcept override { return scaler_->tick_s(); }
  void want(const View& view, std::span<std::int64_t> wanted) override {
    if (view.t % 300 == 0) {
      const auto state = json::parse(scaler_->controller().save().dump());
      scaler_.emplace(options_, 0);
      const auto restored =
          scaler_->controller().restore(state, static_cast<double>(view.t - tick_s()));
      ASSERT_TRUE(restored) << restored.error().text();
      ++restarts;
    }
    scaler_->want(view, wanted);
  }

  int restarts = 0;

 private:
  autoscale::Controller::Options options_;
  std::optional<ControllerScaler> scaler_;
};

TEST(ControllerScaler, RestartsChangeNothingOfWhatIsDecided) {
  const auto planned = plan_of(pool()).value();
  const auto arrivals = burst();
  ControllerScaler untouched(planned.options, 0);
  Restarted restarted(planned.options);
  EXPECT_EQ(text_of(simulate(arrivals, planned.model, untouched).actions),
            text_of(simulate(arrivals, planned.model, restarted).actions));
  EXPECT_EQ(restarted.restarts, 23);
}

// A load with a wave, noise and bursts, from a fixed seed: requests of 10 s.
Arrivals waves(std::size_t hours, double greatest) {
  forecast::Dice dice(5);
  std::vector<double> requests(hours * 360);
  double burst = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (dice.uniform() < 0.003) burst += greatest * dice.uniform();
    burst *= 0.96;
    const double wave = 0.5 + 0.3 * std::sin(static_cast<double>(i) / 400);
    requests[i] = std::floor(10 * (greatest * (wave + 0.1 * dice.uniform()) + burst));
  }
  return Arrivals(trace_of(10, requests));
}

// What a kill leaves: a checkpoint of a minute before it, and half a minute without ticks.
class Killed final : public Scaler {
 public:
  explicit Killed(autoscale::Controller::Options options)
      : options_(std::move(options)), scaler_(std::in_place, options_, 0) {}

  [[nodiscard]] std::uint32_t tick_s() const noexcept override { return scaler_->tick_s(); }
  void want(const View& view, std::span<std::int64_t> wanted) override {
    const auto now = view.t % 3600;
    if (now > 1800 && now < 1830) return;  // dead
    if (now == 1830) {
      ++restarts;
      scaler_.emplace(options_, 0);
      // It counts from its start on.
      const auto since = static_cast<double>(view.t - tick_s());
      ASSERT_TRUE(scaler_->controller().restore(checkpoint_, since));
    }
    scaler_->want(view, wanted);
    if (now == 1740) checkpoint_ = json::parse(scaler_->controller().save().dump());
  }

  int restarts = 0;

 private:
  autoscale::Controller::Options options_;
  std::optional<ControllerScaler> scaler_;
  json checkpoint_;
};

TEST(ControllerScaler, KilledEveryHourWithACheckpointOfAMinuteAgoCostsAndIsLateHardlyMore) {
  const auto planned = plan_of(pool()).value();
  const auto arrivals = waves(24, 12);
  const auto need = backends_needed(arrivals, planned.model);
  ControllerScaler untouched(planned.options, 0);
  Killed killed(planned.options);
  const auto first =
      figures_of(arrivals, planned.model, need, simulate(arrivals, planned.model, untouched));
  const auto second =
      figures_of(arrivals, planned.model, need, simulate(arrivals, planned.model, killed));
  EXPECT_EQ(killed.restarts, 24);
  EXPECT_GT(first.slo_violation_share, 0);
  EXPECT_LE(static_cast<double>(second.cost_replica_seconds),
            1.01 * static_cast<double>(first.cost_replica_seconds));
  EXPECT_LE(second.slo_violation_share, first.slo_violation_share + 0.001);
}

config::Pool mixed(config::ScalePolicy policy) {
  auto mixed = pool();
  mixed.classes = {{.name = "large", .capacity = 4, .price_per_hour = 3, .cold_start_s = 60},
                   {.name = "small", .capacity = 1, .price_per_hour = 1, .cold_start_s = 30}};
  mixed.autoscale->policy = policy;
  return mixed;
}

double price_of(const config::Pool& pool, const std::vector<unsigned>& counts) {
  double price = 0;
  for (std::size_t i = 0; i < counts.size(); ++i)
    price += counts[i] * pool.classes[i].price_per_hour;
  return price;
}

TEST(ControllerScaler, SmallOnesGiveWayToLargeOnesThatAreCheaperAndNobodyWaitsForIt) {
  auto with = mixed(config::ScalePolicy::kCostAware);
  with.classes[0].max = 1;  // first there is hardly a large one
  const auto arrivals = Arrivals(steady(20, 4 * 3600));
  auto planned = plan_of(with).value();
  double before = 0;
  double after = 0;
  unsigned most_small = 0;
  unsigned small = 0;
  bool reloaded = false;
  ControllerScaler scaler(planned.options, 0,
                          [&](const View& view, const autoscale::Decision& made) {
                            if (view.t < 3600) before = price_of(with, made.wanted);
                            most_small = std::max(most_small, made.wanted[1]);
                            small = made.wanted[1];
                            after = price_of(with, made.wanted);
                            double ready = 0;
                            for (std::size_t i = 0; i < view.classes.size(); ++i)
                              ready += view.classes[i].ready * with.classes[i].capacity;
                            if (view.t > 300) {
                              EXPECT_GE(ready, 20) << view.t << made.reason;
                            }
                            if (view.t < 3600 || reloaded) return;
                            reloaded = true;
                            auto options = planned.options;
                            options.classes[0].max = 0;
                            scaler.controller().configure(options);
                          });
  auto model = planned.model;
  model.classes[0].max = 0;
  const auto course = simulate(arrivals, model, scaler);
  EXPECT_GE(most_small, 16U);
  EXPECT_LE(small, 3U);
  EXPECT_LT(after, 0.85 * before);
}

TEST(ControllerScaler, BudgetHoldsAtEveryTickAndWhatIsOverItIsSaid) {
  for (const auto policy : {config::ScalePolicy::kPredictive, config::ScalePolicy::kCostAware}) {
    auto with = mixed(policy);
    with.autoscale->budget_per_hour = 12;
    const auto planned = plan_of(with).value();
    unsigned said = 0;
    ControllerScaler scaler(
        planned.options, 0, [&](const View& view, const autoscale::Decision& made) {
          if (view.t < 60) return;  // what the simulated pool begins with is not asked for
          EXPECT_LE(price_of(with, made.wanted), 12) << made.reason;
          if (made.uncovered > 0) {
            ++said;
            EXPECT_NE(made.limits, 0) << made.reason;
            EXPECT_NE(made.reason.find("uncovered"), std::string::npos) << made.reason;
          }
        });
    (void)simulate(waves(6, 20), planned.model, scaler);
    EXPECT_GT(said, 20U);
  }
}

TEST(ControllerScaler, NoDomainIsGivenMoreThanItsShareWhenBackendsAreAdded) {
  for (const auto policy : {config::ScalePolicy::kPredictive, config::ScalePolicy::kCostAware}) {
    auto with = mixed(policy);
    with.autoscale->max_domain_share = 0.5;
    with.autoscale->min = 2;
    with.classes[0].domain = "east";
    with.classes[1].domain = "west";
    const auto planned = plan_of(with).value();
    unsigned added = 0;
    unsigned wider = 0;
    ControllerScaler scaler(planned.options, 0, [&](const View&, const autoscale::Decision& made) {
      if (made.desired <= made.before) return;
      ++added;
      const auto most = std::max(made.wanted[0], made.wanted[1]);
      if (2 * most > made.desired && most > 1) ++wider;
    });
    (void)simulate(waves(6, 20), planned.model, scaler);
    EXPECT_GT(added, 5U);
    EXPECT_EQ(wider, 0U);
  }
}

TEST(ControllerScaler, BackendsThatSleepServeABurstSoonerThanColdOnes) {
  std::array<Figures, 2> figures;
  for (const bool sleeping : {false, true}) {
    auto with = pool();
    with.classes[0].capacity = 1;
    with.classes[0].cold_start_s = 180;
    with.classes[0].asleep_price_per_hour = 0.1;
    with.classes[0].price_per_hour = 2;
    if (sleeping) {
      with.classes[0].wake_s = 5;
      with.classes[0].asleep = 40;
    }
    const auto planned = plan_of(with).value();
    const auto arrivals = waves(6, 12);
    ControllerScaler scaler(planned.options, 0);
    figures[sleeping ? 1 : 0] =
        figures_of(arrivals, planned.model, backends_needed(arrivals, planned.model),
                   simulate(arrivals, planned.model, scaler));
  }
  EXPECT_LT(figures[1].slo_violation_share, 0.5 * figures[0].slo_violation_share);
  EXPECT_LT(figures[1].cost_replica_seconds, figures[0].cost_replica_seconds);
}

TEST(ControllerScaler, TellsCountsOfTheTickRoundedToAMillionth) {
  View view;
  view.t = 15;
  std::vector<double> arrivals(16);
  for (std::size_t i = 0; i < arrivals.size(); ++i) arrivals[i] = static_cast<double>(i) / 3;
  view.arrivals = view.served = arrivals;
  view.queue = 1.00000049;
  const std::array counts{Count{3, 1, 2}, Count{1, 0, 0}};
  view.classes = counts;
  const auto seen = observation_of(view, 5, 1000);
  EXPECT_EQ(seen.arrivals, 1.666667);
  EXPECT_EQ(seen.queue, 1.0);
  EXPECT_EQ(seen.utc, 1015);
  ASSERT_EQ(seen.fleet.size(), 2U);
  EXPECT_EQ(seen.fleet[0].ready, 3U);
  EXPECT_EQ(seen.fleet[0].asleep, 2U);
}

}  // namespace
}  // namespace sluice::plan
