// SPDX-License-Identifier: Apache-2.0
#include "health/prober.hpp"

#include "health/command_probes.hpp"
#include "health/curl_probes.hpp"
#include "health/http_probe.hpp"
#include "health/icmp_probes.hpp"
#include "health/syn_probes.hpp"
#include "health/tcp_probe.hpp"
#include "health/udp_probe.hpp"

#include <algorithm>
#include <random>

namespace sluice::health {
namespace {

using namespace std::chrono_literals;

// A time-out that fires later than this fires late: the loop was busy, or the machine.
constexpr auto kLate = 5ms;

std::chrono::microseconds micros(EventLoop::Clock::duration d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d);
}

// What the driver stamps is the whole answer of these, and only the beginning of the others'.
bool answers_in_one_packet(config::CheckType type) {
  return type == config::CheckType::kTcp || type == config::CheckType::kIcmp ||
         type == config::CheckType::kUdp;
}

}  // namespace

Prober::Prober(EventLoop& loop, Options options)
    : loop_(loop),
      options_(std::move(options)),
      schedule_(options_.seed ? *options_.seed : std::random_device{}()),
      icmp_(std::make_unique<IcmpProbes>(loop)),
      commands_(std::make_unique<CommandProbes>(loop)),
      syn_(std::make_unique<SynProbes>(loop)) {}

Result<std::unique_ptr<Prober>> Prober::open(EventLoop& loop, Options options) {
  auto curl = CurlProbes::open(loop);
  if (!curl) return forward_error(curl);
  auto made = std::unique_ptr<Prober>(new Prober(loop, std::move(options)));
  made->curl_ = std::move(*curl);
  return made;
}

Prober::~Prober() {
  for (auto& [key, watch] : watches_) forget(*watch);
  *self_ = nullptr;
}

std::unique_ptr<Probe> Prober::make_probe(const Target& target, Probe::Answered answered) {
  if (target.check.via == config::Via::kService) {
    if (target.check.type != config::CheckType::kTcp || !target.tunnel)
      return make_no_probe("no road to the service's address", std::move(answered));
    // With nat the backend's own address is all that a client's packet ever has there.
    if (target.tunnel->forwarding != config::Forwarding::kNat)
      return syn_->make(target, std::move(answered));
  }
  switch (target.check.type) {
    case config::CheckType::kTcp:
      return make_tcp_probe(loop_, target, std::move(answered));
    case config::CheckType::kIcmp:
      return icmp_->make(target, std::move(answered));
    case config::CheckType::kUdp:
      return make_udp_probe(loop_, target, std::move(answered));
    case config::CheckType::kCommand:
      return commands_->make(target, std::move(answered));
    case config::CheckType::kHttps:
    case config::CheckType::kGrpc:
      return curl_->make(target, std::move(answered));
    default:  // presets are of HTTP
      return make_http_probe(loop_, target, std::move(answered));
  }
}

void Prober::set_targets(std::vector<Target> targets) {
  Watches kept;
  std::vector<Watch*> fresh;
  for (auto& target : targets) {
    const Key key{target.pool, target.backend};
    const auto found = watches_.find(key);
    if (found != watches_.end() && found->second->target == target) {
      kept.insert(watches_.extract(found));
      continue;
    }
    auto watch = std::make_shared<Watch>();
    watch->target = std::move(target);
    if (found != watches_.end()) watch->fast = found->second->fast;
    if (const auto [at, added] = kept.emplace(key, watch); added) fresh.push_back(watch.get());
  }
  for (auto& [key, watch] : watches_) forget(*watch);
  watches_ = std::move(kept);
  for (Watch* const watch : fresh) {
    watch->probe = make_probe(watch->target, [this, watch](Finding f) { answer(*watch, f); });
    arm(*watch, schedule_.first(watch->target.check, fresh.size()), &Prober::ask);
  }
}

void Prober::hurry(std::string_view pool, std::string_view backend, bool fast) {
  const auto found = watches_.find(Names{pool, backend});
  if (found == watches_.end() || found->second->fast == fast) return;
  Watch& watch = *found->second;
  watch.fast = fast;
  if (fast && watch.asked && !watch.open && !watch.outcome) arm_next(watch);
}

std::size_t Prober::ask_early(const std::function<bool(const Target&)>& who) {
  std::size_t asked = 0;
  const auto now = loop_.now();
  for (auto& [key, watch] : watches_) {
    if (!watch->asked || watch->open || watch->outcome || now - watch->asked_at < kEarlyGap ||
        !who(watch->target))
      continue;
    ask(*watch);
    ++asked;
  }
  return asked;
}

void Prober::arm(Watch& watch, std::chrono::microseconds delay, void (Prober::*then)(Watch&)) {
  loop_.cancel(watch.timer);
  watch.timer = loop_.after(std::chrono::ceil<std::chrono::milliseconds>(delay),
                            [this, &watch, then] { (this->*then)(watch); });
}

void Prober::arm_next(Watch& watch) {
  const auto due = watch.asked_at + schedule_.next(watch.target.check, watch.fast);
  arm(watch, micros(due - loop_.now()), &Prober::ask);
}

void Prober::ask(Watch& watch) {
  watch.asked_at = loop_.now();
  watch.asked = watch.open = true;
  watch.extended = false;
  ++asking_;
  arm(watch, watch.target.check.timeout, &Prober::time_out);
  watch.probe->ask();
}

void Prober::time_out(Watch& watch) {
  const auto timeout = watch.target.check.timeout;
  const auto deadline = watch.asked_at + timeout;
  const auto late = loop_.now() - deadline;
  if (options_.driver_saw && answers_in_one_packet(watch.target.check.type)) {
    const auto seen = options_.driver_saw(watch.target.address);
    if (seen && *seen >= watch.asked_at && *seen <= deadline) {
      watch.probe->give_up();
      answer(watch, {Fault::kNone, "seen in time by the driver"});
      watch.outcome->took = micros(*seen - watch.asked_at);
      return;
    }
  }
  // Time in which nobody looked is not held against the backend: what came meanwhile is still in
  // the sockets, and is read before this fires again.
  if (late > kLate && !watch.extended) {
    watch.extended = true;
    arm(watch, std::min(micros(late), micros(timeout)), &Prober::time_out);
    return;
  }
  watch.probe->give_up();
  answer(watch, {Fault::kTimeout, fmt::format("no answer in {} ms", timeout.count())});
}

void Prober::answer(Watch& watch, Finding finding) {
  if (!watch.open) return;
  watch.open = false;
  --asking_;
  loop_.cancel(watch.timer);
  watch.outcome =
      Outcome{finding.fault, micros(loop_.now() - watch.asked_at), clean(finding.detail),
              finding.fault == Fault::kNone ? finding.load : std::nullopt};
  finished_.push_back(watch.weak_from_this());
  if (finished_.size() == 1) deliver_later();
}

// Not from within a probe's own call: who hears of it may take the probe away.
void Prober::deliver_later() {
  loop_.defer([self = self_] {
    if (*self != nullptr) (*self)->deliver();
  });
}

void Prober::deliver() {
  const auto self = self_;  // the callback may end the prober
  const auto count = std::min(finished_.size(), kOutcomesPerTurn);
  std::vector<std::weak_ptr<Watch>> now(finished_.begin(),
                                        finished_.begin() + static_cast<std::ptrdiff_t>(count));
  finished_.erase(finished_.begin(), finished_.begin() + static_cast<std::ptrdiff_t>(count));
  if (!finished_.empty()) deliver_later();
  for (const auto& each : now) {
    const auto watch = each.lock();
    if (watch == nullptr || !watch->outcome) continue;
    const Outcome outcome = *std::exchange(watch->outcome, std::nullopt);
    arm_next(*watch);
    if (on_outcome_) on_outcome_(watch->target, outcome);
    if (*self == nullptr) return;
  }
}

void Prober::forget(Watch& watch) {
  loop_.cancel(watch.timer);
  if (watch.open) --asking_;
  watch.open = false;
  watch.outcome.reset();
  watch.probe.reset();
}

}  // namespace sluice::health
