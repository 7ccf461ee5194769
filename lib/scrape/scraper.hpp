// SPDX-License-Identifier: Apache-2.0
// Scrapes the metrics of all backends, each at its own times, over connections that are kept.
//
// Threads: the event loop's.
#pragma once

#include "base/address.hpp"
#include "base/event_loop.hpp"
#include "base/result.hpp"
#include "config/autoscale.hpp"
#include "scrape/reading.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace sluice::http {
class CurlMulti;
}

namespace sluice::scrape {

/// Whom to ask, and for what.
struct Target {
  std::string pool;
  std::string backend;
  IpAddress address;
  std::uint16_t port = 0;  ///< Resolved already; not 0.
  config::Metrics metrics;

  friend bool operator==(const Target&, const Target&) = default;
};

/// How a scrape ended.
struct Scrape {
  Reading reading = {};        ///< Of when the question was asked. Without `problem` only.
  std::string problem = {};    ///< Why there is none: one clause, printable; empty: it was read.
  std::string first_bad = {};  ///< Of a text that was read: the first line left out, or empty.
  std::chrono::microseconds took{};
  std::size_t bytes = 0;  ///< Of the body, as far as it was read.
};

class Transfer;

/// A scrape is asked for each interval, 10 % sooner or later; the first ones are spread over it.
/// By addresses only: no proxies, no redirects, no compression, nothing of the environment. One
/// that has not ended in time, or tells more than is read, has failed; its connection is closed.
/// Cost: some 50 us of CPU a scrape of 10 KiB, and 1 us for each further KiB.
class Scraper {
 public:
  /// What came of a scrape of a target. It may set other targets, or destroy the scraper.
  using OnScrape = std::function<void(const Target& target, const Scrape& scrape)>;

  static constexpr double kJitter = 0.1;  ///< Share of the interval, both ways.
  static constexpr std::size_t kLongestHeaders = 16384;

  struct Options {
    std::optional<std::uint64_t> seed = {};  ///< Of spread and jitter; absent: drawn.
  };

  /// @param loop  lives longer. @return kIo when libcurl does not start.
  [[nodiscard]] static Result<std::unique_ptr<Scraper>> open(EventLoop& loop, Options options);
  Scraper(const Scraper&) = delete;
  Scraper& operator=(const Scraper&) = delete;
  ~Scraper();

  void on_scrape(OnScrape callback) { on_scrape_ = std::move(callback); }

  /// From now on these, and no others. A target that stays as it is keeps its times and its
  /// connection; of two of one pool and backend the first one counts.
  void set_targets(std::vector<Target> targets);
  [[nodiscard]] std::size_t targets() const noexcept { return watches_.size(); }
  [[nodiscard]] std::size_t asking() const noexcept { return asking_; }  ///< Open questions.

 private:
  struct Watch;
  using Key = std::pair<std::string, std::string>;  ///< Pool and backend.

  Scraper(EventLoop& loop, Options options, std::unique_ptr<http::CurlMulti> multi);
  void arm(Watch& watch, std::chrono::microseconds delay);
  void ask(Watch& watch);
  void answered(Watch& watch, Scrape scrape);
  void forget(Watch& watch);
  void deliver();
  [[nodiscard]] double fraction();  ///< From 0 to 1, 1 not included.

  EventLoop& loop_;
  std::mt19937_64 random_;
  std::unique_ptr<http::CurlMulti> multi_;
  OnScrape on_scrape_;
  std::map<Key, std::shared_ptr<Watch>> watches_;
  std::vector<std::weak_ptr<Watch>> finished_;  ///< With a scrape to deliver.
  std::size_t asking_ = 0;
  std::shared_ptr<Scraper*> self_ = std::make_shared<Scraper*>(this);  ///< For deferred tasks.
};

}  // namespace sluice::scrape
