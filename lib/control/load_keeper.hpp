// SPDX-License-Identifier: Apache-2.0
// The load of all pools' backends as the daemon keeps it: scraped or told by health checks. The
// controller takes each pool's demand from here, and policy `least_load` its weights.
//
// Threads: slow path.
#pragma once

#include "base/event_loop.hpp"
#include "config/configuration.hpp"
#include "control/event_log.hpp"
#include "control/load_figures.hpp"
#include "health/outcome.hpp"
#include "health/probe.hpp"
#include "scrape/demand.hpp"
#include "scrape/scraper.hpp"
#include "snapshot/snapshot.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::control {

/// Scrapes of one backend since the daemon started.
struct ScrapeCounts {
  std::uint64_t good = 0;
  std::uint64_t failed = 0;
  std::uint64_t bytes = 0;
  std::chrono::microseconds time{};
};

/// How well a pool's backends tell their load.
struct PoolTelling {
  std::string pool;
  ScrapeCounts scrapes = {};         ///< Of all its backends, also those that have gone.
  std::size_t in_service = 0;        ///< Backends that take new flows, ...
  std::size_t silent = 0;            ///< ... and of them those whose load is not known.
  std::optional<double> age_s = {};  ///< Of the newest reading of any; absent: there was none.
};

class LoadKeeper {
 public:
  struct Parts {
    EventLoop& loop;
    EventLog& events;
    /// Whether a backend takes new flows; of others nothing is told when they tell nothing.
    std::function<bool(const std::string& pool, const std::string& backend)> in_service;
    /// The loads of a pool differ enough for new tables: called at most once a step.
    std::function<void()> changed;
  };

  static constexpr std::chrono::milliseconds kStep{1000};  ///< How often loads are looked at.

  /// @return kIo when libcurl does not start.
  [[nodiscard]] static Result<std::unique_ptr<LoadKeeper>> open(Parts parts);
  LoadKeeper(const LoadKeeper&) = delete;
  LoadKeeper& operator=(const LoadKeeper&) = delete;
  ~LoadKeeper();

  /// Other pools or backends from now on. Does not call `changed`.
  void follow(const config::Configuration& running);
  /// A health check of a backend ended.
  void probed(const health::Target& target, const health::Outcome& outcome);

  /// The demand on a pool that has `metrics` or `autoscale`; null: it has neither, or is none.
  [[nodiscard]] scrape::Demand* demand(std::string_view pool);
  [[nodiscard]] const scrape::Demand* demand(std::string_view pool) const;
  /// Null: it is not scraped, or was not yet.
  [[nodiscard]] const ScrapeCounts* counts(const std::string& pool,
                                           const std::string& backend) const;

  /// Of each pool with `metrics`, by name.
  [[nodiscard]] std::vector<PoolTelling> telling() const;

  /// Puts the loads of pools with policy `least_load` into the input of a snapshot.
  /// @param input  of `running`, pool by pool and backend by backend in the same order.
  void apply(const config::Configuration& running, snapshot::Input& input) const;

 private:
  using Key = std::pair<std::string, std::string>;  ///< Pool and backend.

  struct Header {
    double load = 0;
    EventLoop::Clock::time_point at{};
    std::chrono::milliseconds lasts{};  ///< For so long it counts.
  };
  struct Backend {
    std::string name;
    double room = 0;
    std::uint32_t weight = 0;
  };
  /// A pool with policy `least_load`.
  struct Balanced {
    std::vector<Backend> backends;
    std::map<std::string, std::uint32_t, std::less<>> shown;  ///< Loads in the tables.

    /// What the tables show of a backend; of one that is new as of the busiest.
    [[nodiscard]] std::uint32_t shown_of(std::string_view name, std::uint32_t weight) const;
  };

  LoadKeeper(Parts parts, std::unique_ptr<scrape::Scraper> scraper);
  void scraped(const scrape::Target& target, const scrape::Scrape& scrape);
  [[nodiscard]] std::vector<ToldLoad> told(std::string_view pool, const Balanced& balanced) const;
  void step();

  Parts parts_;
  std::unique_ptr<scrape::Scraper> scraper_;
  std::map<std::string, scrape::Demand, std::less<>> demands_;
  std::map<std::string, Balanced, std::less<>> balanced_;
  std::map<Key, Header> headers_;
  std::map<Key, ScrapeCounts> counts_;
  /// Of a pool that is scraped.
  struct Scraped {
    std::vector<std::string> backends;
    ScrapeCounts counts;  ///< Of all time: a counter must not fall when a backend goes.
  };
  std::map<std::string, Scraped, std::less<>> scraped_;
  std::map<Key, bool> bad_lines_;  ///< The last text had some, and that was told.
  std::vector<std::string> left_out_;
  EventLoop::TimerId timer_ = EventLoop::TimerId::kNone;
};

}  // namespace sluice::control
