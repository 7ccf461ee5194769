// SPDX-License-Identifier: Apache-2.0
#include "control/capture.hpp"

#include <rte_cycles.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace sluice::control {
namespace {

std::string hexadecimal(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    text += kDigits[std::to_integer<unsigned>(b) >> 4U];
    text += kDigits[std::to_integer<unsigned>(b) & 15U];
  }
  return text;
}

std::string name_of(const std::optional<std::uint16_t>& number,
                    const std::vector<std::string>& names) {
  return number && *number < names.size() ? names[*number] : std::string();
}

Json or_null(const std::string& name) { return name.empty() ? Json() : Json(name); }

void name(std::vector<std::string>& names, std::size_t number, std::string name) {
  if (names.size() <= number) names.resize(number + 1);
  names[number] = std::move(name);
}

}  // namespace

Capture::~Capture() { forget(); }

Result<dataplane::CaptureFilter> Capture::filter_of(const CaptureOrder& order) const {
  dataplane::CaptureFilter filter;
  filter.sample = order.sample;
  filter.snap = order.snap;
  if (!order.verdicts.empty()) {
    filter.verdicts.reset();
    for (const Verdict v : order.verdicts) filter.verdicts.set(static_cast<std::size_t>(v));
  }
  const auto& running = parts_.model.running();
  if (!order.service.empty()) {
    for (const auto& service : running.services)
      if (service.name == order.service) filter.service = parts_.model.number(service);
    if (!filter.service)
      return fail(Errc::kNotFound, "service " + order.service,
                  "does not exist; see `sluicectl "
                  "services`");
  }
  if (!order.backend.empty()) {
    for (const auto& pool : running.pools)
      for (const auto& backend : pool.backends)
        if (pool.name + "/" + backend.name == order.backend)
          filter.backend = parts_.model.number(pool, backend);
    if (!filter.backend)
      return fail(Errc::kNotFound, "backend " + order.backend,
                  "does not exist; write POOL/NAME, and see `sluicectl backends`");
  }
  return filter;
}

Result<Json> Capture::start(const CaptureOrder& order, std::string_view who) {
  if (running_)
    return fail(Errc::kConflict, "capture",
                "number {} runs; stop it, or wait {} s after its "
                "client is gone",
                id_, kPatience.count());
  const auto filter = filter_of(order);
  if (!filter) return forward_error(filter);
  forget();
  ++id_;
  left_ = order.count.value_or(std::numeric_limits<std::uint64_t>::max());
  next_ = 0;
  asked_ = parts_.now();
  first_cycles_ = rte_rdtsc();
  first_time_ = std::chrono::system_clock::now();
  for (std::size_t worker = 0; worker < parts_.workers(); ++worker) {
    taps_.push_back(std::make_shared<dataplane::CaptureTap>(*filter));
    parts_.attach(worker, taps_.back().get());
  }
  running_ = there_ = true;
  parts_.events.add(Level::kInfo, "capture", "started", fmt::format("number {} by {}", id_, who));
  parts_.started();
  return Json{{"id", id_},
              {"workers", taps_.size()},
              {"slots", taps_.empty() ? 0 : taps_.front()->slots()}};
}

Result<void> Capture::check(std::uint64_t id) const {
  if (there_ && id == id_) return {};
  return fail(Errc::kNotFound, "capture",
              "number {} is over and forgotten: nobody asked for {} s, or another has begun", id,
              kPatience.count());
}

Result<Json> Capture::poll(std::uint64_t id, std::uint64_t from) {
  if (auto there = check(id); !there) return forward_error(there);
  asked_ = parts_.now();
  while (!held_.empty() && held_.front().number < from) {
    held_bytes_ -= held_.front().size();
    held_.pop_front();
  }
  collect();
  Json packets = Json::array();
  std::uint64_t next = std::min(from, next_);
  std::size_t bytes = 0;
  for (const auto& held : held_) {
    if (packets.size() == kMostInAnswer || bytes >= kMostBytesInAnswer) break;
    bytes += held.size();
    packets.push_back(describe(held));
    next = held.number + 1;
  }
  Json answer = report();
  answer["packets"] = std::move(packets);
  answer["next"] = next;
  return answer;
}

Result<Json> Capture::stop(std::uint64_t id) {
  if (auto there = check(id); !there) return forward_error(there);
  asked_ = parts_.now();
  end();
  return report();
}

bool Capture::step() {
  if (!there_) return false;
  if (parts_.now() - asked_ >= kPatience) {
    forget();
    return false;
  }
  collect();
  return true;
}

Json Capture::report() const { return {{"id", id_}, {"running", running_}, {"lost", lost()}}; }

std::uint64_t Capture::lost() const {
  std::uint64_t sum = 0;
  for (const auto& tap : taps_) sum += tap->lost();
  return sum;
}

// What does not fit stays in the rings, and what does not fit there is counted by the workers.
void Capture::collect() {
  learn_names();
  for (std::size_t worker = 0; worker < taps_.size(); ++worker)
    taps_[worker]->drain([&](const dataplane::Captured& packet) {
      if (left_ == 0 || held_bytes_ >= kMostBytes) return false;
      held_.push_back(hold(packet, worker));
      held_bytes_ += held_.back().size();
      --left_;
      return true;
    });
  if (left_ == 0) end();
}

void Capture::learn_names() {
  const auto& now = parts_.model.snapshot();
  if (generation_ == now.generation) return;
  generation_ = now.generation;
  services_.clear();
  backends_.clear();
  for (const auto& service : now.input.services) name(services_, service.number, service.name);
  for (const auto& pool : now.input.pools)
    for (const auto& backend : pool.backends)
      name(backends_, backend.number, pool.name + "/" + backend.name);
}

Capture::Held Capture::hold(const dataplane::Captured& packet, std::size_t worker) {
  return {.number = next_++,
          .at_ns = nanoseconds_of(packet.cycles),
          .worker = worker,
          .verdict = packet.verdict,
          .port = packet.port,
          .service = name_of(packet.service, services_),
          .backend = name_of(packet.backend, backends_),
          .before = {{packet.before.begin(), packet.before.end()}, packet.before_length},
          .after = {{packet.after.begin(), packet.after.end()}, packet.after_length}};
}

Json Capture::describe(const Copy& copy) {
  if (copy.bytes.empty()) return nullptr;
  return {{"length", copy.length}, {"bytes", hexadecimal(copy.bytes)}};
}

Json Capture::describe(const Held& held) const {
  const auto& ports = parts_.model.running().ports;
  return {{"at_ns", held.at_ns},
          {"worker", held.worker},
          {"port", held.port < ports.size() ? Json(ports[held.port].name) : Json()},
          {"verdict", text(held.verdict).name},
          {"service", or_null(held.service)},
          {"backend", or_null(held.backend)},
          {"before", describe(held.before)},
          {"after", describe(held.after)}};
}

std::int64_t Capture::nanoseconds_of(std::uint64_t cycles) const {
  const std::uint64_t hz = rte_get_tsc_hz();
  // A burst that was under way at the start is older than it.
  const std::uint64_t since = cycles > first_cycles_ ? cycles - first_cycles_ : 0;
  const auto passed = std::chrono::seconds(since / hz) +
                      std::chrono::nanoseconds((since % hz) * 1'000'000'000 / hz);
  return std::chrono::nanoseconds(first_time_.time_since_epoch() + passed).count();
}

void Capture::end() {
  if (!std::exchange(running_, false)) return;
  for (std::size_t i = 0; i < taps_.size(); ++i) {
    parts_.attach(i, nullptr);
    parts_.publisher.retire(taps_[i]);  // the burst at hand may still be copied
  }
  parts_.events.add(Level::kInfo, "capture", "ended",
                    fmt::format("number {}: {} packets, {} lost", id_, next_, lost()));
}

void Capture::forget() {
  end();
  there_ = false;
  taps_.clear();
  held_.clear();
  held_bytes_ = 0;
}

}  // namespace sluice::control
