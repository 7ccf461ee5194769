// SPDX-License-Identifier: Apache-2.0
#include "control/load_keeper.hpp"

#include "control/load_targets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

namespace sluice::control {
namespace {

constexpr int kLasts = 3;  // intervals for which a reading or a header counts

// Requests that a backend serves at once: what it completes a second, each as long as it takes.
double room_of(const config::Pool& pool, const config::Backend& backend) {
  const auto found =
      std::ranges::find(pool.classes, backend.backend_class, &config::BackendClass::name);
  return found == pool.classes.end() ? 0 : found->capacity * found->service_time_s;
}

}  // namespace

Result<std::unique_ptr<LoadKeeper>> LoadKeeper::open(Parts parts) {
  auto scraper = scrape::Scraper::open(parts.loop, {});
  if (!scraper) return forward_error(scraper);
  return std::unique_ptr<LoadKeeper>(new LoadKeeper(std::move(parts), std::move(*scraper)));
}

LoadKeeper::LoadKeeper(Parts parts, std::unique_ptr<scrape::Scraper> scraper)
    : parts_(std::move(parts)), scraper_(std::move(scraper)) {
  scraper_->on_scrape([this](const scrape::Target& target, const scrape::Scrape& scrape) {
    scraped(target, scrape);
  });
  timer_ = parts_.loop.every(kStep, [this] { step(); });
}

LoadKeeper::~LoadKeeper() { parts_.loop.cancel(timer_); }

void LoadKeeper::follow(const config::Configuration& running) {
  std::set<Key> names;
  std::map<std::string, scrape::Demand, std::less<>> demands;
  std::map<std::string, Balanced, std::less<>> balanced;
  std::map<std::string, Scraped, std::less<>> scraped;
  for (const auto& pool : running.pools) {
    std::set<std::string_view> backends;
    for (const auto& backend : pool.backends) {
      names.emplace(pool.name, backend.name);
      backends.insert(backend.name);
    }
    if (pool.metrics) {
      auto& now = scraped[pool.name];
      if (const auto before = scraped_.find(pool.name); before != scraped_.end())
        now.counts = before->second.counts;
      now.backends.assign(backends.begin(), backends.end());
    }
    if (pool.metrics || pool.autoscale) {
      scrape::Demand::Options options{.pool = pool.name, .scraped = pool.metrics.has_value()};
      if (pool.metrics)
        options.stale_after = pool.metrics->stale_after.count() != 0
                                  ? pool.metrics->stale_after
                                  : kLasts * pool.metrics->interval;
      auto known = demands_.extract(pool.name);
      if (known.empty()) {
        demands.emplace(pool.name, scrape::Demand(std::move(options)));
      } else {
        known.mapped().configure(std::move(options));
        known.mapped().retain([&](const std::string& name) { return backends.contains(name); });
        demands.insert(std::move(known));
      }
    }
    if (pool.policy != config::Policy::kLeastLoad) continue;
    // Tables of this configuration are there already, by apply().
    const auto before = balanced_.find(pool.name);
    Balanced& now = balanced[pool.name];
    for (const auto& backend : pool.backends) {
      now.backends.push_back({backend.name, room_of(pool, backend), backend.weight});
      now.shown[backend.name] =
          before == balanced_.end() ? 0 : before->second.shown_of(backend.name, backend.weight);
    }
  }
  demands_ = std::move(demands);
  balanced_ = std::move(balanced);
  scraped_ = std::move(scraped);
  std::erase_if(headers_, [&](const auto& one) { return !names.contains(one.first); });
  std::erase_if(counts_, [&](const auto& one) { return !names.contains(one.first); });
  std::erase_if(bad_lines_, [&](const auto& one) { return !names.contains(one.first); });

  auto targets = load_targets(running);
  scraper_->set_targets(std::move(targets.targets));
  for (const auto& why : targets.left_out)
    if (std::ranges::find(left_out_, why) == left_out_.end())
      parts_.events.add(Level::kWarn, "load", "not_scraped", why);
  left_out_ = std::move(targets.left_out);
}

void LoadKeeper::probed(const health::Target& target, const health::Outcome& outcome) {
  if (target.check.load_header.empty()) return;
  const Key key{target.pool, target.backend};
  if (outcome.load)
    headers_[key] = {*outcome.load, parts_.loop.now(), kLasts * target.check.interval};
  else if (outcome.ok())
    headers_.erase(key);  // it answers, and does not tell, or not in a number
}

void LoadKeeper::scraped(const scrape::Target& target, const scrape::Scrape& scrape) {
  const auto demand = demands_.find(target.pool);
  if (demand == demands_.end()) return;
  const Key key{target.pool, target.backend};
  const auto count = [&](ScrapeCounts& counts) {
    ++(scrape.problem.empty() ? counts.good : counts.failed);
    counts.bytes += scrape.bytes;
    counts.time += scrape.took;
  };
  count(counts_[key]);
  if (const auto pool = scraped_.find(target.pool); pool != scraped_.end())
    count(pool->second.counts);
  if (!scrape.problem.empty()) {
    demand->second.failed(target.backend, scrape.problem);
    return;
  }
  demand->second.read(target.backend, scrape.reading);
  bool& bad = bad_lines_[key];
  if (!scrape.first_bad.empty() && !bad)
    parts_.events.add(Level::kWarn, "load", "bad_line",
                      fmt::format("metrics of backend {}/{}: {}; such lines are left out",
                                  target.pool, target.backend, scrape.first_bad));
  bad = !scrape.first_bad.empty();
}

scrape::Demand* LoadKeeper::demand(std::string_view pool) {
  const auto at = demands_.find(pool);
  return at == demands_.end() ? nullptr : &at->second;
}

const scrape::Demand* LoadKeeper::demand(std::string_view pool) const {
  const auto at = demands_.find(pool);
  return at == demands_.end() ? nullptr : &at->second;
}

const ScrapeCounts* LoadKeeper::counts(const std::string& pool, const std::string& backend) const {
  const auto at = counts_.find({pool, backend});
  return at == counts_.end() ? nullptr : &at->second;
}

std::vector<PoolTelling> LoadKeeper::telling() const {
  const auto now = parts_.loop.now();
  std::vector<PoolTelling> all;
  all.reserve(scraped_.size());
  for (const auto& [name, scraped] : scraped_) {
    PoolTelling one{.pool = name, .scrapes = scraped.counts};
    const auto* known = demand(name);
    for (const auto& backend : scraped.backends) {
      if (const auto* last = known == nullptr ? nullptr : known->last(backend)) {
        const double age = std::chrono::duration<double>(now - last->at).count();
        one.age_s = std::min(one.age_s.value_or(age), age);
      }
      if (parts_.in_service && !parts_.in_service(name, backend)) continue;
      ++one.in_service;
      if (known == nullptr || !known->inside(backend, now)) ++one.silent;
    }
    all.push_back(std::move(one));
  }
  return all;
}

std::vector<ToldLoad> LoadKeeper::told(std::string_view pool, const Balanced& balanced) const {
  const auto now = parts_.loop.now();
  const scrape::Demand* const known = demand(pool);
  std::vector<ToldLoad> all;
  all.reserve(balanced.backends.size());
  for (const Backend& backend : balanced.backends) {
    ToldLoad one{.room = backend.room, .weight = backend.weight};
    if (known != nullptr) one.inside = known->inside(backend.name, now);
    const auto header = headers_.find({std::string(pool), backend.name});
    if (header != headers_.end() && now - header->second.at <= header->second.lasts)
      one.header = header->second.load;
    all.push_back(one);
  }
  return all;
}

void LoadKeeper::step() {
  for (auto& [name, demand] : demands_) {
    const auto in_service = [&, &pool = name](const std::string& backend) {
      return !parts_.in_service || parts_.in_service(pool, backend);
    };
    for (const auto& line : demand.notices(parts_.loop.now(), in_service))
      parts_.events.add(line.ends_with(" again") ? Level::kInfo : Level::kWarn, "load", "metrics",
                        line);
  }
  bool changed = false;
  for (auto& [name, pool] : balanced_) {
    const auto known = told(name, pool);
    const auto figures = load_figures(known);
    std::vector<std::uint32_t> shown;
    shown.reserve(figures.size());
    for (const Backend& backend : pool.backends)
      shown.push_back(pool.shown_of(backend.name, backend.weight));
    if (!differs_enough(shown, figures, known)) continue;
    for (std::size_t i = 0; i < figures.size(); ++i) pool.shown[pool.backends[i].name] = figures[i];
    changed = true;
  }
  if (changed) parts_.changed();
}

std::uint32_t LoadKeeper::Balanced::shown_of(std::string_view name, std::uint32_t weight) const {
  if (const auto at = shown.find(name); at != shown.end()) return at->second;
  double busiest = 0;
  for (const Backend& backend : backends)
    if (const auto at = shown.find(backend.name); at != shown.end() && backend.weight != 0)
      busiest = std::max(busiest, at->second / static_cast<double>(backend.weight));
  constexpr double kMost = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::min(busiest * weight, kMost));
}

void LoadKeeper::apply(const config::Configuration& running, snapshot::Input& input) const {
  for (std::size_t i = 0; i < running.pools.size(); ++i) {
    const auto at = balanced_.find(running.pools[i].name);
    if (at == balanced_.end()) continue;
    for (std::size_t j = 0; j < running.pools[i].backends.size(); ++j) {
      const auto& backend = running.pools[i].backends[j];
      input.pools[i].backends[j].load = at->second.shown_of(backend.name, backend.weight);
    }
  }
}

}  // namespace sluice::control
