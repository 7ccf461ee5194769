// SPDX-License-Identifier: Apache-2.0
// What a Filter tells its programs beside where packets go.
#include "xdp/contents.hpp"
#include "xdp/filter.hpp"
#include "xdp/pins.hpp"
#include "xdp/services.hpp"
#include "xdp/state.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace sluice::xdp {

static_assert(sizeof(Heartbeat) == sizeof(sluice_xdp_beat) &&
              offsetof(Heartbeat, nanoseconds) == offsetof(sluice_xdp_beat, nanoseconds) &&
              kMostHeartbeats == SLUICE_XDP_WORKERS);

Result<SharedMemory> SharedMemory::map(int fd, std::size_t bytes) {
  SharedMemory memory;
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return system_failure("sluice_beats", "cannot map the memory", errno);
  memory.at_ = at;
  memory.bytes_ = bytes;
  return memory;
}

SharedMemory::~SharedMemory() {
  if (at_ != nullptr) ::munmap(at_, bytes_);
}

namespace {

// The first `length` of 128 bits, as words in network order.
std::array<std::uint32_t, 4> mask_of(unsigned length) {
  std::array<std::uint32_t, 4> words{};
  for (unsigned bit = 0; bit < length; ++bit)
    words[bit / 32] |= __builtin_bswap32(std::uint32_t{1} << (31 - bit % 32));
  return words;
}

}  // namespace

Result<void> Filter::set_deny(std::span<const IpPrefix> prefixes) {
  static_assert(SLUICE_XDP_DENIED_PREFIXES >= 2 * kMostDenied, "old and new stand side by side");
  if (prefixes.size() > kMostDenied)
    return fail(Errc::kExhausted, "/protection/deny", "{} prefixes, at most {} can be denied",
                prefixes.size(), kMostDenied);
  Contents deny4;
  Contents deny6;
  const std::string value = bytes_of(sluice_xdp_denied{});
  for (const auto& prefix : prefixes) {
    const auto words = prefix.address.words();
    if (prefix.address.is_v4())
      deny4.emplace(bytes_of(sluice_xdp_prefix4{prefix.length, words[0]}), value);
    else
      deny6.emplace(
          bytes_of(sluice_xdp_prefix6{prefix.length, {words[0], words[1], words[2], words[3]}}),
          value);
  }
  const auto& maps = state_->maps->maps;
  for (const auto& [target, wanted] : {std::pair{Target{.fd = bpf_map__fd(maps.sluice_deny4),
                                      .name = "sluice_deny4",
                                      .where = "/protection/deny",
                                      .key_bytes = sizeof(sluice_xdp_prefix4),
                                      .limit = SLUICE_XDP_DENIED_PREFIXES},
                                                 &deny4},
                                       std::pair{Target{.fd = bpf_map__fd(maps.sluice_deny6),
                                       .name = "sluice_deny6",
                                       .where = "/protection/deny",
                                       .key_bytes = sizeof(sluice_xdp_prefix6),
                                       .limit = SLUICE_XDP_DENIED_PREFIXES},
                                                 &deny6}})
    if (auto filled = make_equal(target, *wanted); !filled) return filled;
  // Programs look prefixes up only where there are any.
  auto& flags = state_->settings.flags;
  flags &= ~std::uint32_t{SLUICE_XDP_DENY4 | SLUICE_XDP_DENY6};
  if (!deny4.empty()) flags |= SLUICE_XDP_DENY4;
  if (!deny6.empty()) flags |= SLUICE_XDP_DENY6;
  return state_->write_settings();
}

Result<void> Filter::set_syn_limit(const SynLimit& limit) {
  if (limit.prefix4 > 32)
    return fail(Errc::kInvalid, "/protection/syn_prefix", "{} is no length of an IPv4 prefix",
                limit.prefix4);
  if (limit.prefix6 > 128)
    return fail(Errc::kInvalid, "/protection/syn_prefix6", "{} is no length of an IPv6 prefix",
                limit.prefix6);
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const std::uint64_t burst = limit.burst != 0 ? limit.burst : limit.per_second;
  auto& settings = state_->settings;
  // Rounded up: never above the rate that was asked for.
  settings.syn_cost =
      limit.per_second == 0 ? 0 : (kSecond + limit.per_second - 1) / limit.per_second;
  settings.slot_room = burst / 2 * settings.syn_cost;
  settings.syn_room = (burst - burst / 2) * settings.syn_cost;
  settings.syn_mask4 = mask_of(limit.prefix4)[0];
  std::ranges::copy(mask_of(limit.prefix6), settings.syn_mask6);
  return state_->write_settings();
}

Result<void> Filter::set_answers(const AnswerSettings& answers) {
  if (answers.workers > kMostHeartbeats)
    return fail(Errc::kInvalid, "/answer", "{} workers, at most {} have a heartbeat",
                answers.workers, kMostHeartbeats);
  Contents contents;
  for (const auto& address : answers.addresses)
    contents.emplace(bytes_of(key_of(address)), bytes_of(sluice_xdp_answered{}));
  if (auto filled = make_equal({.fd = bpf_map__fd(state_->maps->maps.sluice_answers),
                                .name = "sluice_answers",
                                .where = "/answer/addresses",
                                .key_bytes = sizeof(sluice_xdp_service_key),
                                .limit = SLUICE_XDP_ANSWERED_ADDRESSES},
                               contents);
      !filled)
    return filled;
  auto& settings = state_->settings;
  settings.flags &= ~std::uint32_t{SLUICE_XDP_ANSWER_ECHO | SLUICE_XDP_STALE_TO_LINUX};
  if (answers.icmp_echo) settings.flags |= SLUICE_XDP_ANSWER_ECHO;
  if (answers.stale_to_linux) settings.flags |= SLUICE_XDP_STALE_TO_LINUX;
  settings.answer_udp = __builtin_bswap16(answers.udp_port);
  settings.answer_tcp = __builtin_bswap16(answers.tcp_port);
  settings.answer_age =
      static_cast<std::uint64_t>(std::max<std::int64_t>(answers.max_age.count(), 0));
  settings.workers = answers.workers;
  return state_->write_settings();
}

std::span<Heartbeat> Filter::heartbeats() const noexcept {
  return {static_cast<Heartbeat*>(state_->beats.data()), kMostHeartbeats};
}

}  // namespace sluice::xdp
