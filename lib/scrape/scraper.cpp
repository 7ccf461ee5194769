// SPDX-License-Identifier: Apache-2.0
#include "scrape/scraper.hpp"

#include "scrape/transfer.hpp"

#include <algorithm>

namespace sluice::scrape {
namespace {

constexpr long kMostKept = 65536;  // connections; each target has at most one

std::chrono::microseconds part(std::chrono::microseconds whole, double share) {
  return std::chrono::microseconds(
      static_cast<std::int64_t>(static_cast<double>(whole.count()) * share));
}

std::chrono::microseconds micros(EventLoop::Clock::duration d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d);
}

}  // namespace

struct Scraper::Watch : std::enable_shared_from_this<Scraper::Watch> {
  explicit Watch(Target t) : target(std::move(t)) {}

  Target target;
  std::unique_ptr<Transfer> transfer = {};
  EventLoop::TimerId timer = EventLoop::TimerId::kNone;
  Time asked_at{};
  bool open = false;                  // a question waits for its answer
  std::optional<Scrape> scrape = {};  // of the last question, until it is delivered
};

Scraper::Scraper(EventLoop& loop, Options options, std::unique_ptr<http::CurlMulti> multi)
    : loop_(loop),
      random_(options.seed ? *options.seed : std::random_device{}()),
      multi_(std::move(multi)) {}

Result<std::unique_ptr<Scraper>> Scraper::open(EventLoop& loop, Options options) {
  auto multi = http::CurlMulti::open(loop);
  if (!multi) return forward_error(multi);
  (*multi)->keep_connections(kMostKept);
  return std::unique_ptr<Scraper>(new Scraper(loop, options, std::move(*multi)));
}

Scraper::~Scraper() {
  for (auto& [key, watch] : watches_) forget(*watch);
  *self_ = nullptr;
}

// The same numbers with every standard library, which its distributions do not promise.
double Scraper::fraction() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

void Scraper::set_targets(std::vector<Target> targets) {
  std::map<Key, std::shared_ptr<Watch>> kept;
  std::vector<Watch*> fresh;
  for (auto& target : targets) {
    const Key key{target.pool, target.backend};
    const auto found = watches_.find(key);
    if (found != watches_.end() && found->second->target == target) {
      kept.insert(watches_.extract(found));
      continue;
    }
    auto watch = std::make_shared<Watch>(std::move(target));
    if (const auto [at, added] = kept.emplace(key, watch); added) fresh.push_back(watch.get());
  }
  for (auto& [key, watch] : watches_) forget(*watch);
  watches_ = std::move(kept);
  for (Watch* const watch : fresh) {
    watch->transfer = std::make_unique<Transfer>(
        *multi_, watch->target,
        [this, watch](Scrape scrape) { answered(*watch, std::move(scrape)); });
    // One is asked at once, a thousand over a second: as many milliseconds as there are.
    const auto spread = std::min<std::chrono::microseconds>(
        watch->target.metrics.interval,
        std::chrono::milliseconds(static_cast<std::int64_t>(fresh.size())));
    arm(*watch, part(spread, fraction()));
  }
}

void Scraper::arm(Watch& watch, std::chrono::microseconds delay) {
  loop_.cancel(watch.timer);
  watch.timer = loop_.after(std::chrono::ceil<std::chrono::milliseconds>(delay),
                            [this, &watch] { ask(watch); });
}

void Scraper::ask(Watch& watch) {
  watch.asked_at = loop_.now();
  watch.open = true;
  ++asking_;
  watch.transfer->ask(watch.asked_at);
}

void Scraper::answered(Watch& watch, Scrape scrape) {
  if (!watch.open) return;
  watch.open = false;
  --asking_;
  scrape.took = micros(loop_.now() - watch.asked_at);
  watch.scrape = std::move(scrape);
  finished_.push_back(watch.weak_from_this());
  // Not from within libcurl's call: who hears of it may take the transfer away.
  if (finished_.size() == 1)
    loop_.defer([self = self_] {
      if (*self != nullptr) (*self)->deliver();
    });
}

void Scraper::deliver() {
  const auto finished = std::exchange(finished_, {});
  const auto self = self_;  // the callback may end the scraper
  for (const auto& each : finished) {
    const auto watch = each.lock();
    if (watch == nullptr || !watch->scrape) continue;
    const Scrape scrape = *std::exchange(watch->scrape, std::nullopt);
    const auto next = part(watch->target.metrics.interval, 1 + kJitter * (2 * fraction() - 1));
    arm(*watch,
        std::max(micros(watch->asked_at + next - loop_.now()), std::chrono::microseconds(0)));
    if (on_scrape_) on_scrape_(watch->target, scrape);
    if (*self == nullptr) return;
  }
}

void Scraper::forget(Watch& watch) {
  loop_.cancel(watch.timer);
  if (watch.open) --asking_;
  watch.open = false;
  watch.scrape.reset();
  watch.transfer.reset();
}

}  // namespace sluice::scrape
