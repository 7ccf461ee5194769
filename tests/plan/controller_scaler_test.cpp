// SPDX-License-Identifier: Apache-2.0
// The controller in a simulated pool: decides there as it does line by line, and always alike.
#include "plan/controller_scaler.hpp"

#include "plan/pool_of.hpp"
#include "plan/simulated_pool.hpp"
#include "plan/step.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
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
