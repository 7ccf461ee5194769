// SPDX-License-Identifier: Apache-2.0
// Random calls of a pool, in a random order: what must hold after each of them. Fixed seeds.
#include "health/pool_health.hpp"
#include "health/steps.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;
using test::at;
using S = State;

// Every step that a backend's state may take; see the picture in docs/design/health.md.
const std::set<std::pair<S, S>> kSteps = [] {
  std::set<std::pair<S, S>> steps = {
      {S::kStarting, S::kUp},   {S::kStarting, S::kDown},     {S::kUp, S::kDegraded},
      {S::kUp, S::kDown},       {S::kUp, S::kEjected},        {S::kDegraded, S::kUp},
      {S::kDegraded, S::kDown}, {S::kDegraded, S::kEjected},  {S::kDown, S::kUp},
      {S::kEjected, S::kUp},    {S::kEjected, S::kDown},      {S::kEjected, S::kDegraded},
      {S::kDraining, S::kDown}, {S::kDown, S::kDraining},     {S::kEjected, S::kDraining},
      {S::kUp, S::kDraining},   {S::kDegraded, S::kDraining}, {S::kStarting, S::kDraining},
      {S::kDraining, S::kUp},   {S::kDraining, S::kDegraded}, {S::kDraining, S::kStarting}};
  for (const S state : {S::kStarting, S::kUp, S::kDegraded, S::kDraining, S::kDown, S::kEjected}) {
    steps.emplace(state, S::kMaintenance);
    if (state != S::kEjected) steps.emplace(S::kMaintenance, state);
    // Another server of that name.
    if (state != S::kStarting && state != S::kDraining) steps.emplace(state, S::kStarting);
    if (state != S::kUp && state != S::kDraining) steps.emplace(state, S::kUp);
  }
  steps.emplace(S::kEjected, S::kDraining);
  return steps;
}();

/// A pool under random calls, and what is remembered of it from call to call.
class World {
 public:
  explicit World(std::uint32_t seed)
      : random_(seed), pool_(random_pool()), health_(pool_, at(now_)) {
    note_all();
    check_sums();
  }

  /// One random call, and all that must hold after it. The call, and what it changed.
  std::string turn() {
    now_ += std::chrono::microseconds(below(4) == 0 ? below(40'000'000) : below(300'000));
    std::string call;
    std::vector<Change> changes;
    const auto before = health_.standings();
    const bool early = health_.next_tick() && at(now_) < *health_.next_tick();
    bool replaced = false;
    switch (below(12)) {
      case 0:
        call = "tick";
        changes = health_.tick(at(now_));
        EXPECT_TRUE(!early || changes.empty()) << "next_tick() is later: " << test::text(changes);
        break;
      case 1: {
        const auto wish = static_cast<Wish>(below(3));
        const auto name = some();
        call = fmt::format("wish {} {}", name, health::name(wish));
        changes = health_.wish(name, wish, at(now_));
        break;
      }
      case 2:
        if (below(4) != 0) break;
        call = "replace";
        replaced = true;
        change_pool();
        changes = health_.replace(pool_, at(now_));
        forget_gone();
        break;
      case 3:
      case 4:
      case 5: {
        const auto name = some();
        call = "observe " + name;
        grow(totals_[name]);
        changes = health_.observed(name, totals_[name], at(now_));
        break;
      }
      default: {
        const auto name = some();
        const auto outcome = random_outcome();
        call = fmt::format("probe {} {}", name, health::name(outcome.fault));
        changes = health_.probed(name, outcome, at(now_));
        break;
      }
    }
    check_changes(changes);
    check_limits(changes, before, replaced);
    check_standings();
    check_sums();
    return call + ": " + test::text(changes);
  }

 private:
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  std::string some() { return fmt::format("gpu-{}", 1 + below(14)); }  // some are not there

  config::Pool random_pool() {
    auto pool = test::pool_of(1 + below(12));
    if (below(4) != 0) {
      pool.health.emplace();
      pool.health->rise = 1 + below(3);
      pool.health->fall = 1 + below(3);
    }
    if (below(4) != 0) {
      pool.outlier.emplace();
      pool.outlier->max_ejection_percent = below(3) == 0 ? 100 : 10 * below(6);
      pool.outlier->min_backends = 3;
      pool.outlier->min_flows = 20;
    }
    pool.panic_threshold = below(2) * 50;
    pool.min_healthy = below(5);
    return pool;
  }
  void change_pool() {
    auto pool = random_pool();
    if (below(3) == 0)
      for (auto& backend : pool.backends)
        if (below(4) == 0) backend.port = static_cast<std::uint16_t>(below(65536));
    if (below(2) == 0) std::ranges::shuffle(pool.backends, random_);
    pool_ = pool;
  }
  Outcome random_outcome() {
    if (below(2) == 0) return test::good();
    return test::bad(static_cast<Fault>(1 + below(10)));
  }
  void grow(Signals& totals) {
    if (below(50) == 0) totals = {};  // another worker counts
    const auto worked = below(3) == 0 ? 0 : below(100);
    totals.new_flows += worked;
    totals.handshakes += worked;
    totals.handshake_us += std::uint64_t{worked} * (1 + below(300'000));
    if (below(2) == 0) totals.syn_repeats += below(20);
    if (below(3) == 0) totals.resets += below(10);
    if (below(6) == 0) totals.syn_unanswered += below(10);
    if (below(6) == 0) totals.unreachables += below(10);
  }

  void note_all() {
    for (const auto& s : health_.standings()) state_.try_emplace(s.name, s.state, now_);
    if (pool_state_.second == 0us) pool_state_ = {health_.state(), now_};
  }
  void forget_gone() {
    std::erase_if(state_, [&](const auto& entry) {
      return std::ranges::none_of(pool_.backends,
                                  [&](const auto& backend) { return backend.name == entry.first; });
    });
    note_all();
  }

  // Changes form a chain without gaps, and their times add up to the time that has passed.
  void check_changes(const std::vector<Change>& changes) {
    const auto ms = [](std::chrono::microseconds t) {
      return std::chrono::floor<std::chrono::milliseconds>(t);
    };
    for (const auto& change : changes) {
      EXPECT_EQ(change.pool, pool_.name);
      EXPECT_NE(change.from, change.to);
      EXPECT_FALSE(change.cause.empty() || change.evidence.empty());
      EXPECT_EQ(change.evidence.find('\n'), std::string::npos);
      if (!change.backend.empty()) {
        EXPECT_TRUE(kSteps.contains({change.from, change.to})) << test::text(change);
        EXPECT_TRUE(state_.contains(change.backend)) << test::text(change);
      }
      auto& [state, since] = change.backend.empty() ? pool_state_ : state_[change.backend];
      EXPECT_EQ(change.from, state) << test::text(change);
      EXPECT_EQ(change.lasted, ms(now_) - ms(since)) << test::text(change);
      state = change.to;
      since = now_;
    }
    for (const auto& s : health_.standings()) EXPECT_EQ(s.state, state_[s.name].first) << s.name;
    EXPECT_EQ(health_.state(), pool_state_.first);
  }

  void check_limits(const std::vector<Change>& changes, const std::vector<Standing>& before,
                    bool replaced) {
    const auto standings = health_.standings();
    const auto ejected = std::ranges::count(standings, S::kEjected, &Standing::checked);
    if (!pool_.outlier) {
      EXPECT_EQ(ejected, 0);
    } else {
      const auto share = pool_.backends.size() * pool_.outlier->max_ejection_percent / 100;
      // Who fails its probes, or is hidden by a wish, is not called back: it was ejected before.
      const auto held = std::ranges::count_if(standings, [](const Standing& s) {
        return s.checked == S::kEjected && (s.bad > 0 || s.wish != Wish::kServe);
      });
      EXPECT_LE(ejected, std::max<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(share),
                                                  std::max<std::ptrdiff_t>(1, held)));
      if (!replaced) {
        EXPECT_LE(ejected, std::max<std::ptrdiff_t>(
                               {static_cast<std::ptrdiff_t>(share), 1,
                                std::ranges::count(before, S::kEjected, &Standing::checked)}));
      }
    }
    const auto ejects = [](const Change& c) {
      return c.to == S::kEjected && c.from != S::kMaintenance;
    };
    if (std::ranges::any_of(changes, ejects)) {
      const auto usable = std::ranges::count_if(
          standings, [](const Standing& s) { return takes_new_flows(s.state); });
      EXPECT_GE(usable, std::max<std::ptrdiff_t>(pool_.min_healthy, 1)) << test::text(changes);
    }
  }

  void check_standings() {
    bool any = false;
    for (const auto& s : health_.standings()) {
      any |= s.takes_new_flows;
      const bool usable = takes_new_flows(s.state);
      EXPECT_TRUE(s.takes_new_flows || !usable) << s.name;
      EXPECT_TRUE(s.keeps_flows || !s.takes_new_flows) << s.name;
      EXPECT_TRUE(usable || !s.takes_new_flows || health_.panic()) << s.name;
      EXPECT_TRUE(s.wish == Wish::kServe || !s.takes_new_flows) << s.name;
      EXPECT_TRUE(s.wish != Wish::kMaintenance || s.state == S::kMaintenance) << s.name;
      EXPECT_TRUE(s.wish != Wish::kServe || s.state == s.checked) << s.name;
      EXPECT_NE(s.checked, S::kDraining);
      EXPECT_NE(s.checked, S::kMaintenance);
      EXPECT_TRUE(pool_.health || pool_.outlier || s.checked == S::kUp) << s.name;
    }
    EXPECT_EQ(any, health_.state() == S::kUp || health_.state() == S::kDegraded);
    EXPECT_EQ(any && health_.panic(), health_.state() == S::kDegraded);
  }

  // What the pool keeps in counts, counted anew.
  void check_sums() {
    std::size_t usable = 0;
    std::size_t counted = 0;
    bool unheard = false;
    health_.each([&](const PoolHealth::Glance& seen) {
      usable += takes_new_flows(seen.machine.state()) ? 1U : 0U;
      counted += seen.machine.wish() == Wish::kServe && seen.machine.proven() ? 1U : 0U;
      unheard |= seen.machine.checked() == S::kStarting;
    });
    EXPECT_EQ(health_.panic(), counted > 0 && usable * 100 < counted * pool_.panic_threshold);
    EXPECT_EQ(health_.all_known(), !unheard);
    std::map<std::string, std::pair<bool, bool>> flows;
    health_.each([&](const PoolHealth::Glance& seen) {
      const auto& m = seen.machine;
      const bool hope = m.wish() == Wish::kServe && m.proven() && !m.hopeless();
      const bool takes = takes_new_flows(m.state()) || (health_.panic() && hope);
      EXPECT_EQ(seen.takes_new_flows, takes) << seen.name;
      EXPECT_EQ(seen.keeps_flows, takes || keeps_flows(m.state())) << seen.name;
      flows[seen.name] = {seen.takes_new_flows, seen.keeps_flows};
    });
    bool moved = false;
    for (const auto& [name, how] : flows)
      moved |= flows_.contains(name) ? flows_.at(name) != how : how != std::pair(false, true);
    if (moved) {
      EXPECT_GT(health_.table_version(), version_);
    }
    flows_ = std::move(flows);
    version_ = health_.table_version();
  }

  std::map<std::string, std::pair<bool, bool>> flows_;
  std::uint64_t version_ = 0;
  std::mt19937 random_;
  std::chrono::microseconds now_{1};
  config::Pool pool_;
  PoolHealth health_;
  std::map<std::string, Signals> totals_;
  std::map<std::string, std::pair<State, std::chrono::microseconds>> state_;
  std::pair<State, std::chrono::microseconds> pool_state_{};
};

class RandomPool : public testing::TestWithParam<std::uint32_t> {};

TEST_P(RandomPool, HoldsItsRulesWhateverHappens) {
  World world(GetParam());
  std::string last;
  for (int i = 0; i < 2000 && !HasFailure(); ++i) last = world.turn();
  EXPECT_FALSE(HasFailure()) << "after: " << last;
}

TEST_P(RandomPool, SameCallsGiveTheSameChanges) {
  World a(GetParam());
  World b(GetParam());
  for (int i = 0; i < 500; ++i) ASSERT_EQ(a.turn(), b.turn()) << i;
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomPool, testing::Range(1U, 61U));

// ---- what holds for one backend in whatever company

/// Random answers of all others; what `mine` says of the probes of "gpu-1".
template <class Mine, class Check>
void among_random_others(std::uint32_t seed, const Mine& mine, const Check& check) {
  std::mt19937 random(seed);
  auto pool = test::probed_pool_of(6);
  pool.health->rise = 1 + seed % 3;
  pool.health->fall = 1 + seed % 4;
  pool.outlier.emplace();
  pool.panic_threshold = seed % 2 * 50;
  PoolHealth health(pool, at(0s));
  std::map<std::string, Signals> totals;
  for (int i = 1; i <= 1000; ++i) {
    const auto now = at(i * 100ms);
    for (int k = 2; k <= 6; ++k) {
      const auto name = fmt::format("gpu-{}", k);
      (void)health.probed(name, random() % 3 == 0 ? test::bad() : test::good(), now);
      totals[name].syn_repeats += random() % 5;
      totals[name].handshakes += random() % 50;
      (void)health.observed(name, totals[name], now);
    }
    (void)health.probed("gpu-1", mine(i), now);
    totals["gpu-1"].handshakes += 20;
    totals["gpu-1"].new_flows += 20;
    (void)health.observed("gpu-1", totals["gpu-1"], now);
    (void)health.tick(now);
    check(i, health.standings().front(), pool);
  }
}

TEST_P(RandomPool, BackendThatIsAlwaysGoodIsNeverOut) {
  among_random_others(
      GetParam(), [](int) { return test::good(); },
      [](int i, const Standing& s, const config::Pool&) {
        ASSERT_TRUE(s.takes_new_flows) << i;
        ASSERT_EQ(s.state, State::kUp) << i;
      });
}

TEST_P(RandomPool, BackendThatDiesIsOutAfterFallProbes) {
  const int dies = 100 + static_cast<int>(GetParam());
  among_random_others(
      GetParam(), [&](int i) { return i < dies ? test::good() : test::bad(Fault::kRefused); },
      [&](int i, const Standing& s, const config::Pool& pool) {
        if (i >= dies + static_cast<int>(pool.health->fall) - 1) {
          ASSERT_EQ(s.state, State::kDown) << i;
          ASSERT_FALSE(s.takes_new_flows || s.keeps_flows) << i;
        }
      });
}

}  // namespace
}  // namespace sluice::health
