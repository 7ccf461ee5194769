// SPDX-License-Identifier: Apache-2.0
#include "control/scale_keeper.hpp"

#include "base/state_file.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

namespace sluice::control {
namespace {

using std::chrono::milliseconds;

std::filesystem::path file_in(const std::string& directory) {
  return std::filesystem::path(directory) / "scale.json";
}

std::filesystem::path folder_in(const std::string& directory) {
  return std::filesystem::path(directory) / "history";
}

std::filesystem::path history_in(const std::string& directory, const std::string& pool) {
  return history_file(folder_in(directory), pool);
}

std::int64_t milliseconds_of(std::chrono::system_clock::time_point wall) {
  return std::chrono::duration_cast<milliseconds>(wall.time_since_epoch()).count();
}

milliseconds period_of(const config::Pool& pool) {
  return milliseconds(std::llround(1000 * pool.autoscale->tick_s));
}

}  // namespace

ScaleKeeper::ScaleKeeper(ScaleParts parts, std::string directory, std::string node)
    : parts_(std::move(parts)),
      directory_(std::move(directory)),
      kept_(std::make_unique<nlohmann::json>(nlohmann::json::object())) {
  load();
  parts_.node = node;
  id_prefix_ = fmt::format("{}-{:x}", node, life_);
  watched_ = parts_.loop.now();
  wall_watched_ = parts_.wall();
  watch_timer_ = parts_.loop.every(kWatch, [this] { watch(); });
  save_timer_ = parts_.loop.every(kSaveEvery, [this] {
    if (pools_.empty()) return;
    save();
    save_oldest_history();
  });
}

ScaleKeeper::~ScaleKeeper() {
  parts_.loop.cancel(watch_timer_);
  parts_.loop.cancel(save_timer_);
  for (const auto& [name, entry] : entries_) parts_.loop.cancel(entry.timer);
}

void ScaleKeeper::load() {
  const auto now = milliseconds_of(parts_.wall());
  std::uint64_t life_before = 0;
  const auto problem = load_state(file_in(directory_), kVersion, [&](const nlohmann::json& body) {
    const auto saved = body.at("saved_ms").get<std::int64_t>();
    auto pools = body.at("pools");
    if (!pools.is_object()) return;
    life_before = body.at("life").get<std::uint64_t>();
    away_ = milliseconds(std::max<std::int64_t>(0, now - saved));  // clocks may go back
    *kept_ = std::move(pools);
  });
  // By the clock, so that ids differ where no file could be written; greater than the last one, so
  // that they differ where the clock goes back.
  life_ = std::max(life_before + 1, static_cast<std::uint64_t>(std::max<std::int64_t>(0, now)));
  if (!problem.empty())
    parts_.events.add(Level::kWarn, "scale", "state_not_loaded",
                      problem + "; pools keep their size until enough is known anew");
}

void ScaleKeeper::follow(const config::Configuration& running) {
  std::set<std::string_view> names;
  for (const auto& pool : running.pools) {
    if (!pool.autoscale) continue;
    names.insert(pool.name);
    auto& known = pools_[pool.name];
    auto& entry = entries_[pool.name];
    if (known) {
      known->configure(pool);
    } else {
      known = std::make_unique<ScalePool>(parts_, id_prefix_, pool);
      load_history(*known);
      entry.history_saved = parts_.loop.now();
      if (const auto kept = kept_->find(pool.name); kept != kept_->end()) {
        const auto done = known->restore(*kept, away_);
        kept_->erase(kept);
        if (done)
          parts_.events.add(Level::kInfo, "scale", "restored",
                            fmt::format("pool {}: goes on after {:.0f} s", pool.name,
                                        std::chrono::duration<double>(away_).count()));
        else
          parts_.events.add(Level::kWarn, "scale", "not_restored",
                            done.error().text() + "; it keeps its size until enough is known anew");
      }
    }
    if (entry.period == period_of(pool)) continue;
    entry.period = period_of(pool);
    parts_.loop.cancel(entry.timer);
    entry.timer = parts_.loop.every(entry.period, [this, p = known.get()] { tick(*p); });
  }
  kept_->clear();  // what a pool was before it was given up is not what it is when it comes back
  for (auto at = pools_.begin(); at != pools_.end();) {
    if (names.contains(at->first)) {
      ++at;
      continue;
    }
    parts_.loop.cancel(entries_.at(at->first).timer);
    save_history(*at->second);  // it may come back, and its load is a fact
    entries_.erase(at->first);
    parts_.events.add(Level::kInfo, "scale", "given_up",
                      fmt::format("pool {}: is not scaled any more; its backends stay", at->first));
    at = pools_.erase(at);
  }
}

ScalePool* ScaleKeeper::find(std::string_view pool) {
  const auto at = pools_.find(pool);
  return at == pools_.end() ? nullptr : at->second.get();
}

std::set<std::string> ScaleKeeper::awaiting() const {
  std::set<std::string> names;
  for (const auto& [name, pool] : pools_)
    if (pool->awaits()) names.insert(name);
  return names;
}

void ScaleKeeper::tick(ScalePool& pool) {
  pool.tick();
  if (pool.take_changed()) save();
}

// Who asks a pool that has nobody shall not wait for its tick.
void ScaleKeeper::watch() {
  watch_clock();
  bool changed = false;
  for (auto& [name, pool] : pools_) {
    if (pool->awaits() && pool->asked(parts_.unserved(name))) pool->tick();
    changed = pool->take_changed() || changed;
  }
  if (changed) save();
}

void ScaleKeeper::watch_clock() {
  const auto now = parts_.loop.now();
  const auto wall = parts_.wall();
  const auto jump = (wall - wall_watched_) - (now - watched_);
  watched_ = now;
  wall_watched_ = wall;
  if (std::chrono::abs(jump) < kJump || pools_.empty()) return;
  parts_.events.add(
      Level::kWarn, "scale", "clock_jumped",
      fmt::format("the wall's clock went {:+.0f} s; schedules go by it, all else by time passed",
                  std::chrono::duration<double>(jump).count()));
}

void ScaleKeeper::save() {
  nlohmann::json pools = nlohmann::json::object();
  for (const auto& [name, pool] : pools_) pools[name] = pool->save();
  const auto done = save_state(
      file_in(directory_), kVersion,
      {{"saved_ms", milliseconds_of(parts_.wall())}, {"life", life_}, {"pools", std::move(pools)}});
  tell_when_new(done, problem_, {"state_saved", "the autoscaler's state can be kept again"},
                {"state_not_saved", "; a restart would learn every pool anew"});
}

// @param again  the event when it works again; @param trouble  that when it does not, its text to
//   be put behind what is wrong.
void ScaleKeeper::tell_when_new(const Result<void>& done, std::string& problem,
                                const Telling& again, const Telling& trouble) {
  auto now = done ? std::string() : done.error().text();
  if (now == problem) return;
  problem = std::move(now);
  if (problem.empty())
    parts_.events.add(Level::kInfo, "scale", again.event, again.text);
  else
    parts_.events.add(Level::kWarn, "scale", trouble.event, problem + trouble.text);
}

void ScaleKeeper::load_history(ScalePool& pool) {
  const auto problem = pool.history().load(history_in(directory_, pool.name()));
  if (!problem.empty())
    parts_.events.add(Level::kWarn, "scale", "history_not_loaded",
                      fmt::format("pool {}: {}; its load is put down anew", pool.name(), problem));
}

void ScaleKeeper::save_history(const ScalePool& pool) {
  if (const auto entry = entries_.find(pool.name()); entry != entries_.end())
    entry->second.history_saved = parts_.loop.now();
  const auto done = pool.history().save(history_in(directory_, pool.name()));
  tell_when_new(done, history_problem_,
                {"history_saved", "the history of pools' load can be kept again"},
                {"history_not_saved", "; a restart would not know what load there was"});
}

void ScaleKeeper::forget_histories(const config::Configuration& file) {
  std::set<std::string, std::less<>> names;
  for (const auto& pool : file.pools) names.insert(pool.name);
  for (const auto& removed : remove_histories(folder_in(directory_), names)) {
    if (removed.problem.empty())
      parts_.events.add(
          Level::kInfo, "scale", "history_removed",
          fmt::format("pool {} is no more: the history of its load went with it", removed.pool));
    else
      parts_.events.add(
          Level::kWarn, "scale", "history_not_removed",
          fmt::format("pool {} is no more: {}; remove it by hand", removed.pool, removed.problem));
  }
}

// One at a time: each takes as long as the disk does.
void ScaleKeeper::save_oldest_history() {
  const auto oldest = std::ranges::min_element(
      entries_, {}, [](const auto& one) { return one.second.history_saved; });
  if (oldest != entries_.end() &&
      parts_.loop.now() - oldest->second.history_saved >= kSaveHistoryEvery)
    save_history(*pools_.at(oldest->first));
}

void ScaleKeeper::save_histories() {
  for (const auto& [name, pool] : pools_) save_history(*pool);
}

}  // namespace sluice::control
