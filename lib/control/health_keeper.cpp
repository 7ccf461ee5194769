// SPDX-License-Identifier: Apache-2.0
#include "control/health_keeper.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace sluice::control {
namespace {

using health::State;

std::string full_name(std::string_view pool, std::string_view backend) {
  return fmt::format("{}/{}", pool, backend);
}

Level level_of(const health::Change& change) {
  switch (change.to) {
    case State::kDown:
    case State::kEjected:
      return change.backend.empty() ? Level::kError : Level::kWarn;
    case State::kDegraded:
      return change.backend.empty() ? Level::kWarn : Level::kInfo;
    default:
      return Level::kInfo;
  }
}

}  // namespace

void ProbeCounts::add(const health::Outcome& outcome) noexcept {
  ++by_fault[static_cast<std::size_t>(outcome.fault)];
  const double seconds = std::chrono::duration<double>(outcome.took).count();
  const auto at = std::ranges::lower_bound(kBounds, seconds) - kBounds.begin();
  ++by_time[static_cast<std::size_t>(at)];
  time += outcome.took;
}

Result<std::unique_ptr<HealthKeeper>> HealthKeeper::open(Parts parts, std::string directory) {
  auto prober = health::Prober::open(parts.loop, {.driver_saw = parts.driver_saw});
  if (!prober) return forward_error(prober);
  return std::unique_ptr<HealthKeeper>(
      new HealthKeeper(std::move(parts), std::move(directory), std::move(*prober)));
}

HealthKeeper::HealthKeeper(Parts parts, std::string directory,
                           std::unique_ptr<health::Prober> prober)
    : parts_(std::move(parts)), directory_(std::move(directory)), prober_(std::move(prober)) {
  auto loaded = health::load_health(directory_);
  kept_ = std::move(loaded.health);
  if (!loaded.problem.empty())
    parts_.events.add(Level::kWarn, "health", "state_not_loaded",
                      loaded.problem + "; every backend is asked anew");
  prober_->on_outcome([this](const health::Target& target, const health::Outcome& outcome) {
    probed(target, outcome);
  });
  timer_ = parts_.loop.every(kStep, [this] { step(); });
}

HealthKeeper::~HealthKeeper() {
  parts_.loop.cancel(timer_);
  *notice_ = false;
}

void HealthKeeper::follow(const config::Configuration& running, const OperatorState& wishes,
                          const Reaches& reaches, const std::vector<EgressPort>& ports) {
  const auto now = parts_.loop.now();
  std::set<std::string_view> names;
  for (const auto& pool : running.pools) {
    names.insert(pool.name);
    const auto changes = wishes.pools.find(pool.name);
    const auto wish = [&](const config::Backend& backend) {
      return wish_of(changes == wishes.pools.end() ? nullptr : &changes->second, backend.name);
    };
    auto at = pools_.find(pool.name);
    if (at == pools_.end()) {
      health::PoolHealth fresh(pool, now);
      if (const auto kept = kept_.pools.find(pool.name); kept != kept_.pools.end()) {
        fresh.restore(kept->second, kept_.away(std::chrono::system_clock::now()), now);
        kept_.pools.erase(kept);  // once: what it was before a reload is not what it is now
      }
      for (const auto& backend : pool.backends) fresh.assume(backend.name, wish(backend));
      at = pools_.emplace(pool.name, Pool{std::move(fresh), false, {}}).first;
    } else {
      note(at->second.health.replace(pool, now));
      for (const auto& backend : pool.backends)
        note(at->second.health.wish(backend.name, wish(backend), now));
    }
    at->second.watched = pool.outlier.has_value();
    at->second.backends.clear();
    for (const auto& backend : pool.backends) at->second.backends.push_back(backend.name);
  }
  std::erase_if(pools_, [&](const auto& one) { return !names.contains(one.first); });
  uses_.clear();
  follow_drains(running, wishes);
  for (auto& [name, pool] : pools_) refresh(pool);
  std::erase_if(counts_, [&](const auto& one) { return !uses_.contains(one.first); });

  auto targets = health_targets(running, reaches, ports);
  prober_->set_targets(std::move(targets.targets));
  for (const auto& why : targets.left_out)
    if (std::ranges::find(left_out_, why) == left_out_.end())
      parts_.events.add(Level::kWarn, "health", "not_probed", why);
  left_out_ = std::move(targets.left_out);
}

// Takes over how the pool's backends stand.
void HealthKeeper::refresh(Pool& pool) {
  for (const auto& standing : pool.health.standings()) {
    const auto name = full_name(pool.health.name(), standing.name);
    const auto drain = drains_.find(name);
    // The wish is not in it: whoever changes a wish publishes it in the same step, with the
    // movement.
    const bool serves = standing.wish == health::Wish::kServe;
    uses_[name] = {serves ? standing.takes_new_flows : health::takes_new_flows(standing.checked),
                   (serves ? standing.keeps_flows : health::keeps_flows(standing.checked)) &&
                       (drain == drains_.end() || !drain->second.cut)};
    prober_->hurry(pool.health.name(), standing.name, standing.changing);
  }
}

void HealthKeeper::probed(const health::Target& target, const health::Outcome& outcome) {
  if (parts_.probed) parts_.probed(target, outcome);
  const auto at = pools_.find(target.pool);
  if (at == pools_.end()) return;
  counts_[full_name(target.pool, target.backend)].add(outcome);
  at->second.counts.add(outcome);
  const auto before = at->second.health.table_version();
  // As a rule nothing changes, and a pool of a thousand is not looked through for each answer.
  const bool news = note(at->second.health.probed(target.backend, outcome, parts_.loop.now()));
  if (news || at->second.health.table_version() != before)
    refresh(at->second);
  else
    prober_->hurry(target.pool, target.backend, at->second.health.changing(target.backend));
  if (at->second.health.table_version() == before || *notice_) return;
  *notice_ = true;
  parts_.loop.defer([this, due = notice_] {
    if (std::exchange(*due, false)) parts_.changed();
  });
}

void HealthKeeper::look_at(const std::set<IpAddress>& doubtful,
                           const std::set<IpAddress>& answering) {
  (void)prober_->ask_early([&](const health::Target& target) {
    if (doubtful.contains(target.address)) return true;
    return answering.contains(target.address) && !use(target.pool, target.backend)
                                                      .value_or(Use{.takes_new_flows = false})
                                                      .takes_new_flows;
  });
}

void HealthKeeper::step() {
  const auto now = parts_.loop.now();
  bool changed = false;
  for (auto& [name, pool] : pools_) {
    const auto before = pool.health.table_version();
    bool touched = false;
    if (pool.watched && parts_.signals) {
      for (const auto& backend : pool.backends)
        touched =
            note(pool.health.observed(backend, parts_.signals(name, backend), now)) || touched;
    }
    if (const auto due = pool.health.next_tick(); due && *due <= now) {
      touched = note(pool.health.tick(now)) || touched;
    }
    const bool moved = pool.health.table_version() != before;
    if (touched || moved) refresh(pool);
    changed = changed || moved;
  }
  changed = step_drains(now) || changed;
  if (changed) parts_.changed();
}

void HealthKeeper::follow_drains(const config::Configuration& running,
                                 const OperatorState& wishes) {
  std::map<std::string, Drain, std::less<>> drains;
  for (const auto& pool : running.pools) {
    const auto changes = wishes.pools.find(pool.name);
    if (changes == wishes.pools.end()) continue;
    for (const auto& backend : changes->second.drained) {
      const auto name = full_name(pool.name, backend);
      const auto known = drains_.find(name);
      auto drain = known != drains_.end()
                       ? known->second
                       : Drain{pool.name, backend, parts_.loop.now(), pool.drain_timeout};
      drain.at_most = pool.drain_timeout;
      drains.emplace(name, std::move(drain));
    }
  }
  drains_ = std::move(drains);
}

// Tells when a backend has no flow left, and takes those it has when its time is over.
// @return whether that changes the tables.
bool HealthKeeper::step_drains(EventLoop::Clock::time_point now) {
  bool changed = false;
  for (auto& [name, drain] : drains_) {
    const auto flows = parts_.active ? parts_.active(drain.pool, drain.backend) : 1;
    const double lasted = std::chrono::duration<double>(now - drain.since).count();
    if (flows == 0 && !drain.empty)
      parts_.events.add(Level::kInfo, "health", "drained",
                        fmt::format("backend {} has no flow left after {:.1f} s", name, lasted));
    drain.empty = flows == 0;
    if (drain.cut || drain.at_most.count() == 0 || now - drain.since < drain.at_most) continue;
    drain.cut = true;
    uses_[name].keeps_flows = false;
    changed = true;
    if (flows != 0)
      parts_.events.add(Level::kWarn, "health", "drain_timeout",
                        fmt::format("backend {} still had {} flows after {:.0f} s; they move", name,
                                    flows, lasted));
  }
  return changed;
}

bool HealthKeeper::note(const std::vector<health::Change>& changes) {
  for (const auto& change : changes) {
    const auto who = change.backend.empty()
                         ? fmt::format("pool {}", change.pool)
                         : fmt::format("backend {}", full_name(change.pool, change.backend));
    parts_.events.add(level_of(change), "health", std::string(health::name(change.to)),
                      fmt::format("{} {} -> {}: {}{}{}; the state before lasted {:.1f} s", who,
                                  health::name(change.from), health::name(change.to), change.cause,
                                  change.evidence.empty() ? "" : ", ", change.evidence,
                                  std::chrono::duration<double>(change.lasted).count()));
  }
  return !changes.empty();
}

std::optional<Use> HealthKeeper::use(std::string_view pool, std::string_view backend) const {
  const auto at = uses_.find(full_name(pool, backend));
  return at == uses_.end() ? std::nullopt : std::optional(at->second);
}

const health::PoolHealth* HealthKeeper::pool(std::string_view name) const {
  const auto at = pools_.find(name);
  return at == pools_.end() ? nullptr : &at->second.health;
}

const ProbeCounts* HealthKeeper::counts(std::string_view pool, std::string_view backend) const {
  const auto at = counts_.find(full_name(pool, backend));
  return at == counts_.end() ? nullptr : &at->second;
}

const ProbeCounts* HealthKeeper::counts(std::string_view pool) const {
  const auto at = pools_.find(pool);
  return at == pools_.end() ? nullptr : &at->second.counts;
}

bool HealthKeeper::first_round_done() const {
  return std::ranges::all_of(pools_, [](const auto& one) {
    return std::ranges::none_of(one.second.health.standings(), [](const auto& standing) {
      return standing.checked == State::kStarting;
    });
  });
}

void HealthKeeper::save() {
  const auto now = parts_.loop.now();
  health::KeptHealth kept;
  for (const auto& [name, pool] : pools_) kept.pools.emplace(name, pool.health.kept(now));
  // Without the times, which never stand still: a file that says the same is not written again.
  auto essence = kept;
  for (auto& [name, pool] : essence.pools)
    for (auto& [backend, one] : pool) one.age = one.ejected_for = one.hold = {}, one.penalty = 0;
  auto text = health::health_text(essence);
  if (text == saved_) return;
  kept.saved =
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto done = health::save_health(kept, directory_);
  auto problem = done ? std::string() : done.error().text();
  if (done) saved_ = std::move(text);
  if (problem == problem_) return;
  problem_ = std::move(problem);
  if (problem_.empty())
    parts_.events.add(Level::kInfo, "health", "state_saved", "health can be kept again");
  else
    parts_.events.add(Level::kWarn, "health", "state_not_saved",
                      problem_ + "; a restart would ask every backend anew");
}

}  // namespace sluice::control
