// SPDX-License-Identifier: Apache-2.0
// What a Filter learns of backends.
#include "xdp/contents.hpp"
#include "xdp/filter.hpp"
#include "xdp/pins.hpp"
#include "xdp/services.hpp"
#include "xdp/state.hpp"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

namespace sluice::xdp {
namespace {

static_assert(sizeof(sluice_xdp_signals) == 128 && sizeof(sluice_xdp_event) == 24);

constexpr std::array<std::string_view, SLUICE_XDP_EVENT_KINDS> kKindNames = {
    "answers", "refuses", "resets", "unreachable"};

sluice_xdp_service_key key_of_mac(const MacAddress& mac) {
  sluice_xdp_service_key key{};
  std::memcpy(key.address, mac.bytes.data(), mac.bytes.size());
  return key;
}

BackendStatistics statistics_of(std::uint32_t number, const sluice_xdp_signals& s) {
  const auto time = [](std::uint64_t at) {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(at));
  };
  return {.number = number,
          .syn_acks = s.syn_acks,
          .resets = s.resets,
          .refusals = s.refusals,
          .unreachables = s.unreachables,
          .answers = s.answers,
          .heard = time(s.heard_at),
          .answered = time(s.answered_at)};
}

// @return below 0 for no more after this one, which is consumed.
int take_event(void* context, void* data, std::size_t bytes) {
  auto& polled = *static_cast<PolledEvents*>(context);
  sluice_xdp_event event{};
  if (bytes < sizeof event) return 0;
  std::memcpy(&event, data, sizeof event);
  if (event.kind < kKindNames.size())
    polled.events.push_back({event.backend, static_cast<BackendEvent::Kind>(event.kind),
                             std::chrono::nanoseconds(static_cast<std::int64_t>(event.at))});
  return polled.events.size() < polled.most ? 0 : -ENOSPC;
}

std::uint64_t nanoseconds(std::chrono::nanoseconds duration) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0));
}

}  // namespace

std::string_view name(BackendEvent::Kind kind) noexcept {
  return kKindNames[static_cast<std::size_t>(kind)];
}

Result<void> Filter::State::open_ring() {
  events.reset(
      ring_buffer__new(bpf_map__fd(maps->maps.sluice_events), take_event, &polled, nullptr));
  if (events == nullptr) return system_failure("sluice_events", "cannot open the ring", errno);
  return {};
}

Result<void> Filter::set_backends(std::span<const BackendEntry> backends,
                                  const WatchSettings& watch) {
  Contents keys;
  Contents signals;
  std::map<MacAddress, std::vector<std::uint32_t>> by_mac;
  for (const auto& backend : backends) {
    const std::string number = bytes_of(backend.number);
    if (!signals.emplace(number, bytes_of(sluice_xdp_signals{})).second)
      return fail(Errc::kInvalid, "/pools", "two backends have number {}", backend.number);
    if (!keys.emplace(bytes_of(xdp::key_of(backend.address)), number).second)
      return fail(Errc::kInvalid, "/pools", "two backends have address {}", backend.address.text());
    if (backend.mac) by_mac[*backend.mac].push_back(backend.number);
  }
  for (const auto& [mac, numbers] : by_mac)
    if (numbers.size() == 1) keys.emplace(bytes_of(key_of_mac(mac)), bytes_of(numbers.front()));

  const auto& maps = state_->maps->maps;
  for (const auto& [target, wanted] : {std::pair{Target{.fd = bpf_map__fd(maps.sluice_signals),
                                      .name = "sluice_signals",
                                      .where = "/pools",
                                      .key_bytes = sizeof(std::uint32_t),
                                      .limit = SLUICE_XDP_BACKENDS,
                                      .keep_values = true},
                                                 &signals},
                                       std::pair{Target{.fd = bpf_map__fd(maps.sluice_backends),
                                       .name = "sluice_backends",
                                       .where = "/pools",
                                       .key_bytes = sizeof(sluice_xdp_service_key),
                                       .limit = SLUICE_XDP_BACKENDS},
                                                 &keys}})
    if (auto filled = make_equal(target, *wanted); !filled) return filled;
  auto& settings = state_->settings;
  settings.silence = nanoseconds(watch.silence);
  settings.event_gap = nanoseconds(watch.event_gap);
  settings.flags &= ~std::uint32_t{SLUICE_XDP_OBSERVE};
  if (!backends.empty()) settings.flags |= SLUICE_XDP_OBSERVE;
  return state_->write_settings();
}

Result<std::vector<BackendStatistics>> Filter::backend_statistics() const {
  const int map = bpf_map__fd(state_->maps->maps.sluice_signals);
  std::vector<BackendStatistics> all;
  std::uint32_t number = 0;
  const void* previous = nullptr;
  while (bpf_map_get_next_key(map, previous, &number) == 0) {
    sluice_xdp_signals signals{};
    if (bpf_map_lookup_elem(map, &number, &signals) != 0)
      return system_failure("sluice_signals", "cannot read the map", errno);
    all.push_back(statistics_of(number, signals));
    previous = &number;
  }
  std::ranges::sort(all, {}, &BackendStatistics::number);
  return all;
}

Result<BackendStatistics> Filter::backend_statistics(std::uint32_t number) const {
  sluice_xdp_signals signals{};
  if (bpf_map_lookup_elem(bpf_map__fd(state_->maps->maps.sluice_signals), &number, &signals) == 0)
    return statistics_of(number, signals);
  if (errno == ENOENT) return fail(Errc::kNotFound, "", "backend {} is not watched", number);
  return system_failure("sluice_signals", "cannot read the map", errno);
}

int Filter::events_fd() const noexcept { return ring_buffer__epoll_fd(state_->events.get()); }

std::vector<BackendEvent> Filter::poll_events(std::size_t most) {
  if (most == 0) return {};
  state_->polled.most = most;
  // A negative count is the callback's alone: it has as many as it wants.
  (void)ring_buffer__consume(state_->events.get());
  return std::exchange(state_->polled, {}).events;
}

Result<std::uint64_t> Filter::events_lost() const {
  const std::uint32_t first = 0;
  sluice_xdp_shared shared{};
  if (bpf_map_lookup_elem(bpf_map__fd(state_->maps->maps.sluice_shared), &first, &shared) != 0)
    return system_failure("sluice_shared", "cannot read the map", errno);
  return shared.events_lost;
}

}  // namespace sluice::xdp
