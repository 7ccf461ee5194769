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
