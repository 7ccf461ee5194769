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
      fresh.assume([&](std::string_view backend) {
        return wish_of(changes == wishes.pools.end() ? nullptr : &changes->second,
                       std::string(backend));
      });
      at = pools_.emplace(pool.name, Pool{.health = std::move(fresh)}).first;
      at->second.told = at->second.health.table_version();
    } else {
      const bool all_told = at->second.told == at->second.health.table_version();
      note(at->second.health.replace(pool, now));
      for (const auto& backend : pool.backends)
        note(at->second.health.wish(backend.name, wish(backend), now));
      if (all_told) at->second.told = at->second.health.table_version();
    }
    at->second.watched = pool.outlier.has_value();
    auto before = std::exchange(at->second.backends, {});
    for (const auto& backend : pool.backends) {
      auto known = before.extract(backend.name);
      if (known.empty())
        at->second.backends.try_emplace(backend.name);
      else
        at->second.backends.insert(std::move(known));
    }
  }
  std::erase_if(pools_, [&](const auto& one) { return !names.contains(one.first); });
  follow_drains(running, wishes);
  auto targets = health_targets(running, reaches, ports);
  prober_->set_targets(std::move(targets.targets));
  for (auto& [name, pool] : pools_) refresh(pool, /*tell_all=*/true);
  for (const auto& why : targets.left_out)
    if (std::ranges::find(left_out_, why) == left_out_.end())
      parts_.events.add(Level::kWarn, "health", "not_probed", why);
  left_out_ = std::move(targets.left_out);
}

// Takes over how the pool's backends stand. @param tell_all  the prober may have new targets, that
// have not been told whether to hurry.
void HealthKeeper::refresh(Pool& pool, bool tell_all) {
  pool.stale = false;
  pool.health.each([&](const health::PoolHealth::Glance& seen) {
    const auto& machine = seen.machine;
    const auto drain =
        drains_.empty() ? drains_.end() : drains_.find(full_name(pool.health.name(), seen.name));
    // The wish is not in it: whoever changes a wish publishes it in the same step, with the
    // movement.
    const bool serves = machine.wish() == health::Wish::kServe;
    auto& backend = pool.backends[seen.name];
    backend.use = {serves ? seen.takes_new_flows : health::takes_new_flows(machine.checked()),
                   (serves ? seen.keeps_flows : health::keeps_flows(machine.checked())) &&
                       (drain == drains_.end() || !drain->second.cut)};
    if (!tell_all && backend.fast == machine.changing()) return;
    backend.fast = machine.changing();
    prober_->hurry(pool.health.name(), seen.name, backend.fast);
  });
}

// At the end of the turn, once for all the answers that came in it: a pool of thousands is looked
// through for each turn, not for each answer.
void HealthKeeper::refresh_later(Pool& pool) {
  pool.stale = true;
  if (std::exchange(*notice_, true)) return;
  parts_.loop.defer([this, due = notice_] {
    if (std::exchange(*due, false)) refresh_stale();
  });
}

void HealthKeeper::refresh_stale() {
  bool moved = false;
  for (auto& [name, pool] : pools_) {
    moved = moved || pool.told != pool.health.table_version();
    pool.told = pool.health.table_version();
    if (pool.stale) refresh(pool);
  }
  if (moved) parts_.changed();
}

void HealthKeeper::probed(const health::Target& target, const health::Outcome& outcome) {
  if (parts_.probed) parts_.probed(target, outcome);
  const auto at = pools_.find(target.pool);
  if (at == pools_.end()) return;
  Pool& pool = at->second;
  const auto asked = pool.backends.find(target.backend);
  if (asked != pool.backends.end()) {
    if (!asked->second.counts) asked->second.counts.emplace();
    asked->second.counts->add(outcome);
  }
  pool.counts.add(outcome);
  // As a rule nothing changes.
  const bool news = note(pool.health.probed(target.backend, outcome, parts_.loop.now()));
  if (news || pool.health.table_version() != pool.told) refresh_later(pool);
  if (asked == pool.backends.end()) return;
  asked->second.fast = pool.health.changing(target.backend);
  prober_->hurry(target.pool, target.backend, asked->second.fast);
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
    bool touched = false;
    if (pool.watched && parts_.signals) {
      for (const auto& entry : pool.backends)
        touched = note(pool.health.observed(entry.first, parts_.signals(name, entry.first), now)) ||
                  touched;
    }
    if (const auto due = pool.health.next_tick(); due && *due <= now) {
      touched = note(pool.health.tick(now)) || touched;
    }
    const bool moved = pool.health.table_version() != pool.told;
    pool.told = pool.health.table_version();
    if (touched || moved || pool.stale) refresh(pool);
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
    if (const auto at = pools_.find(drain.pool); at != pools_.end())
      at->second.backends[drain.backend].use.keeps_flows = false;
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
  const auto in = pools_.find(pool);
  if (in == pools_.end()) return std::nullopt;
  const auto at = in->second.backends.find(backend);
  return at == in->second.backends.end() ? std::nullopt : std::optional(at->second.use);
}

const health::PoolHealth* HealthKeeper::pool(std::string_view name) const {
  const auto at = pools_.find(name);
  return at == pools_.end() ? nullptr : &at->second.health;
}

const ProbeCounts* HealthKeeper::counts(std::string_view pool, std::string_view backend) const {
  const auto in = pools_.find(pool);
  if (in == pools_.end()) return nullptr;
  const auto at = in->second.backends.find(backend);
  return at == in->second.backends.end() || !at->second.counts ? nullptr : &*at->second.counts;
}

const ProbeCounts* HealthKeeper::counts(std::string_view pool) const {
  const auto at = pools_.find(pool);
  return at == pools_.end() ? nullptr : &at->second.counts;
}

bool HealthKeeper::first_round_done() const {
  return std::ranges::all_of(pools_, [](const auto& one) { return one.second.health.all_known(); });
}

std::uint64_t HealthKeeper::essence() const {
  std::uint64_t sum = 0;
  const auto mix = [&](std::uint64_t what) {
    sum =
        (sum ^ what) * 0x9e3779b97f4a7c15U;  // of 2^64 and the golden ratio: odd, bits well spread
    sum ^= sum >> 32U;
  };
  for (const auto& [name, pool] : pools_) {
    mix(std::hash<std::string_view>{}(name));
    pool.health.each([&](const health::PoolHealth::Glance& seen) {
      mix(std::hash<std::string_view>{}(seen.name));
      mix((std::uint64_t{seen.machine.ejections()} << 8U) | (seen.machine.proven() ? 128U : 0U) |
          static_cast<std::uint64_t>(seen.machine.checked()));
    });
  }
  return sum;
}

void HealthKeeper::save() {
  const auto essential = essence();  // a file that says the same is not written again
  if (saved_ == essential) return;
  const auto now = parts_.loop.now();
  health::KeptHealth kept;
  for (const auto& [name, pool] : pools_) kept.pools.emplace(name, pool.health.kept(now));
  kept.saved =
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto done = health::save_health(kept, directory_);
  auto problem = done ? std::string() : done.error().text();
  if (done) saved_ = essential;
  if (problem == problem_) return;
  problem_ = std::move(problem);
  if (problem_.empty())
    parts_.events.add(Level::kInfo, "health", "state_saved", "health can be kept again");
  else
    parts_.events.add(Level::kWarn, "health", "state_not_saved",
                      problem_ + "; a restart would ask every backend anew");
}

}  // namespace sluice::control
