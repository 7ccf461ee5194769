// SPDX-License-Identifier: Apache-2.0
#include "health/outlier.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <iterator>

namespace sluice::health {
namespace {

using std::chrono::microseconds;
using namespace std::chrono_literals;

using Field = std::uint64_t Signals::*;
constexpr std::array<Field, 9> kFields = {
    &Signals::new_flows,    &Signals::syn_repeats, &Signals::handshakes,
    &Signals::handshake_us, &Signals::resets,      &Signals::syn_unanswered,
    &Signals::responses,    &Signals::response_us, &Signals::unreachables};

constexpr double kSmoothing = 0.2;  // share of a new mean in the smoothed one

bool went_back(const Signals& from, const Signals& to) {
  return std::ranges::any_of(kFields, [&](Field f) { return to.*f < from.*f; });
}

Signals minus(const Signals& to, const Signals& from) {
  Signals difference;
  for (const Field f : kFields) difference.*f = to.*f - from.*f;
  return difference;
}

// Flows that failed. One that gets no answer may show in three ways, and counts once.
std::uint64_t failures(const Signals& s) {
  return s.resets + std::max({s.syn_repeats, s.syn_unanswered, s.unreachables});
}

// Mean of the times that one field sums and another counts; none where there are too few.
std::optional<double> mean_us(const Signals& s, Field count, Field sum) {
  if (s.*count < OutlierDetector::kSlowSamples) return std::nullopt;
  return static_cast<double>(s.*sum) / static_cast<double>(s.*count);
}

}  // namespace

std::chrono::milliseconds ejection_time(const config::Outlier& rules, unsigned before) noexcept {
  const std::chrono::milliseconds longest = rules.max_ejection;
  std::chrono::milliseconds time = rules.base_ejection;
  for (; before > 0 && time < longest; --before) time *= 2;
  return std::min(time, longest);
}

void OutlierDetector::passed_over(const std::string& backend, const Signals& totals) {
  Track fresh;
  fresh.last = totals;
  tracks_.insert_or_assign(backend, std::move(fresh));
}

std::optional<Suspicion> OutlierDetector::observed(const std::string& backend,
                                                   const Signals& totals, Time now) {
  const auto [found, is_new] = tracks_.try_emplace(backend);
  Track& track = found->second;
  if (is_new || went_back(track.last, totals)) {
    track = {};
    track.last = totals;
  }
  note(track, totals, now);
  if (rules_.consecutive_failures > 0 && track.failed >= rules_.consecutive_failures) {
    Suspicion suspicion{cause::kFailures,
                        fmt::format("{} connections in a row failed, {} of them refused",
                                    track.failed, track.refused)};
    track.failed = track.refused = 0;  // as many again are the next suspicion
    return suspicion;
  }
  return silent(backend, track, now);
}

void OutlierDetector::note(Track& track, const Signals& totals, Time now) {
  const Signals news = minus(totals, track.last);
  track.last = totals;
  for (const Field f : kFields) track.interval.*f += news.*f;

  if (news.new_flows > 0 || news.syn_repeats > 0) track.tried = now;
  if (news.handshakes > 0) {
    track.worked = now;
    const double mean =
        static_cast<double>(news.handshake_us) / static_cast<double>(news.handshakes);
    handshake_us_ = handshake_us_ == 0 ? mean : handshake_us_ + kSmoothing * (mean - handshake_us_);
  }
  // In which order they came is not known: one that got through among them forgives them all.
  if (news.handshakes > 0 || news.responses > 0) {
    track.failed = track.refused = 0;
  } else {
    track.failed += news.resets + std::max(news.syn_unanswered, news.unreachables);
    track.refused += news.resets;
  }

  auto& recent = track.recent;
  const auto step = rules_.window / 32;
  const Sample sample{now, totals.syn_repeats, totals.handshakes};
  if (recent.size() >= 2 && recent.back().at - recent[recent.size() - 2].at < step)
    recent.back() = sample;  // looks later than it was, never earlier
  else
    recent.push_back(sample);
  const Time oldest = now - rules_.window - patience();
  while (recent.size() >= 2 && recent[1].at <= oldest) recent.pop_front();
}

// A client sends its SYN again after a second. After a hiccup of the network that second one is
// answered: so long a repeat counts for nothing.
microseconds OutlierDetector::patience() const noexcept {
  if (handshake_us_ == 0) return 200ms;
  const auto usual = microseconds(static_cast<std::int64_t>(std::min(handshake_us_, 1e6)));
  return std::clamp<microseconds>(4 * usual, 50ms, 400ms);
}

std::optional<Suspicion> OutlierDetector::silent(const std::string& backend, const Track& track,
                                                 Time now) const {
  if (rules_.silent_flows == 0 || track.recent.empty()) return std::nullopt;
  const auto at = [&](Time time) {  // totals then; those of the first sample before it
    auto after = std::ranges::upper_bound(track.recent, time, {}, &Sample::at);
    return after == track.recent.begin() ? track.recent.front() : *std::prev(after);
  };
  const Time judged = now - patience();
  const Sample began = at(judged - rules_.window);
  const auto repeats = at(judged).repeats - began.repeats;
  if (repeats < rules_.silent_flows) return std::nullopt;
  if (track.recent.back().handshakes != began.handshakes) return std::nullopt;

  // When the others try in vain, too, it is no backend's fault: the way to the clients is broken,
  // or they are no clients.
  const auto lately = [&](const std::optional<Time>& time) {
    return time && now - *time <= rules_.window + patience();
  };
  bool others_try = false;
  bool others_work = false;
  for (const auto& [name, other] : tracks_) {
    if (name == backend) continue;
    others_try |= lately(other.tried);
    others_work |= lately(other.worked);
  }
  const bool alone = others_work || !others_try;
  return Suspicion{
      cause::kSilent,
      fmt::format("{} flows asked again within {} ms, and none got through{}", repeats,
                  rules_.window.count(), alone ? "" : ", nor did any of the other backends"),
      alone};
}

std::vector<std::pair<std::string, Suspicion>> OutlierDetector::sweep(Time now) {
  if (now < next_sweep()) return {};
  std::vector<std::pair<std::string, Suspicion>> found;
  compare_success(found);
  compare_speed(found);
  for (auto& [name, track] : tracks_) track.interval = {};
  sweep_ = now;
  std::ranges::stable_sort(found, {}, [](const auto& entry) { return entry.first; });
  return found;
}

void OutlierDetector::compare_success(std::vector<std::pair<std::string, Suspicion>>& found) const {
  if (rules_.success_rate_factor <= 0) return;
  std::vector<std::pair<const std::string*, double>> rates;
  for (const auto& [name, track] : tracks_) {
    const auto failed = failures(track.interval);
    const auto all = track.interval.handshakes + failed;
    if (all >= rules_.min_flows)
      rates.emplace_back(&name,
                         static_cast<double>(track.interval.handshakes) / static_cast<double>(all));
  }
  if (rates.empty() || rates.size() < rules_.min_backends) return;
  const auto count = static_cast<double>(rates.size());
  double mean = 0;
  for (const auto& [name, rate] : rates) mean += rate / count;
  double variance = 0;
  for (const auto& [name, rate] : rates) variance += (rate - mean) * (rate - mean) / count;
  const double limit =
      std::min(mean - rules_.success_rate_factor * std::sqrt(variance), mean - kLeastGap);
  for (const auto& [name, rate] : rates)
    if (rate < limit)
      found.emplace_back(
          *name, Suspicion{cause::kSuccessRate,
                           fmt::format("{:.1f} % of its flows get through, {:.1f} % of the pool's",
                                       100 * rate, 100 * mean)});
}

void OutlierDetector::compare_speed(std::vector<std::pair<std::string, Suspicion>>& found) const {
  struct Axis {
    Field count;
    Field sum;
    std::string_view what;
  };
  for (const Axis& axis : {Axis{&Signals::handshakes, &Signals::handshake_us, "a handshake"},
                           Axis{&Signals::responses, &Signals::response_us, "the first answer"}}) {
    std::vector<std::pair<const std::string*, double>> means;
    std::vector<double> sorted;
    for (const auto& [name, track] : tracks_)
      if (const auto mean = mean_us(track.interval, axis.count, axis.sum)) {
        means.emplace_back(&name, *mean);
        sorted.push_back(*mean);
      }
    if (means.size() < kSlowBackends) continue;
    std::ranges::sort(sorted);
    const double median = sorted[(sorted.size() - 1) / 2];
    for (const auto& entry : means) {
      const auto& name = *entry.first;
      const double mean = entry.second;
      if (mean <= kSlowTimes * median || mean < median + kSlowLeast_us) continue;
      if (std::ranges::any_of(found, [&](const auto& f) { return f.first == name; })) continue;
      found.emplace_back(name,
                         Suspicion{cause::kSlow,
                                   fmt::format("{} takes {:.0f} ms, {:.0f} ms in the pool's middle",
                                               axis.what, mean / 1000, median / 1000),
                                   false});
    }
  }
}

}  // namespace sluice::health
