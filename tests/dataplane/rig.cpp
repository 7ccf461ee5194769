// SPDX-License-Identifier: Apache-2.0
#include "dataplane/rig.hpp"

#include "dataplane/stages.hpp"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace sluice::test {
namespace {

constexpr unsigned kBuffers = 2047;
constexpr std::size_t kNumbers = 1024;  // of services and backends that tests use

rte_mbuf* segment_of(std::span<const std::byte> bytes, std::size_t headroom) {
  rte_mbuf* m = rte_pktmbuf_alloc(buffers());
  if (m == nullptr) throw std::runtime_error("out of packet buffers");
  m->data_off = static_cast<std::uint16_t>(headroom);
  char* at = rte_pktmbuf_append(m, static_cast<std::uint16_t>(bytes.size()));
  if (at == nullptr) throw std::invalid_argument("the packet does not fit a buffer");
  std::ranges::copy(bytes, reinterpret_cast<std::byte*>(at));
  return m;
}

}  // namespace

rte_mempool* buffers() {
  static rte_mempool* pool =
      rte_pktmbuf_pool_create("tests", kBuffers, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (pool == nullptr) throw std::runtime_error("no memory for packet buffers");
  return pool;
}

unsigned buffers_in_use() { return rte_mempool_in_use_count(buffers()); }

rte_mbuf* buffer_of(std::span<const std::byte> packet, std::size_t headroom,
                    std::size_t first_segment) {
  const std::size_t first = std::min(first_segment, packet.size());
  rte_mbuf* m = segment_of(packet.first(first), headroom);
  if (first == packet.size()) return m;
  m->next = segment_of(packet.subspan(first), 0);
  m->nb_segs = 2;
  m->pkt_len = static_cast<std::uint32_t>(packet.size());
  return m;
}

Bytes bytes_of(const rte_mbuf* packet) {
  Bytes bytes;
  for (const rte_mbuf* s = packet; s != nullptr; s = s->next) {
    const auto* data = rte_pktmbuf_mtod(s, const std::byte*);
    bytes.insert(bytes.end(), data, data + s->data_len);
  }
  EXPECT_EQ(bytes.size(), packet->pkt_len);
  return bytes;
}

Rig::Rig(std::size_t flows, const flow::NatShare& share, dataplane::HandOver* hand_over)
    : memory_(flows, share),
      state_(std::in_place, memory_.spans(hand_over), kCyclesPerSecond, 1),
      services_(kNumbers),
      backends_(kNumbers),
      counters_(services_, backends_),
      in_use_before_(buffers_in_use()) {}

Rig::~Rig() {
  state_.reset();  // frees what it keeps
  const auto b = books();
  EXPECT_EQ(b.in_flight(), 0U) << "the books do not balance";
  EXPECT_EQ(b.rx, b.total(Outcome::kForward) + b.total(Outcome::kHost) + b.total(Outcome::kAnswer) +
                      b.total(Outcome::kDrop));
  EXPECT_EQ(b.verdicts, seen_) << "counted otherwise than told";
  std::uint64_t by_service = 0;
  std::uint64_t by_backend = 0;
  for (const auto& t : services_) by_service += t.packets.value();
  for (const auto& t : backends_) by_backend += t.packets.value();
  EXPECT_EQ(by_service, b.total(Outcome::kForward));
  EXPECT_EQ(by_backend, b.total(Outcome::kForward));
  EXPECT_EQ(buffers_in_use(), in_use_before_) << "packet buffers were lost";
}

void Rig::receive(dataplane::Burst& b, std::span<const Bytes> packets) const {
  std::memset(static_cast<void*>(&b), 0xa5, sizeof b);  // whoever reads before writing shows
  b.size = static_cast<std::uint16_t>(packets.size());
  for (std::size_t i = 0; i < packets.size(); ++i)
    b.packet[i] = buffer_of(packets[i], headroom, first_segment);
  b.port = port;
  b.taken = false;
  b.overdue = false;
  b.read = false;
}

std::vector<Handled> Rig::burst(const snapshot::Snapshot& now, std::span<const Bytes> packets) {
  dataplane::Burst b;
  receive(b, packets);
  return handle(b, now);
}

std::vector<Handled> Rig::two_bursts(const snapshot::Snapshot& now, std::span<const Bytes> packets,
                                     std::span<const Bytes> behind) {
  std::array<dataplane::Burst, 2> b;
  receive(b[0], packets);
  receive(b[1], behind);
  state_->tick = tick;
  state_->cycles = cycles;
  std::vector<Handled> outcomes;
  judge(b[0], now, outcomes, &b[1]);
  std::ranges::move(handle(b[1], now), std::back_inserter(outcomes));
  return outcomes;
}

std::vector<Handled> Rig::taken(const snapshot::Snapshot& now, unsigned from) {
  dataplane::Burst b;
  std::memset(static_cast<void*>(&b), 0xa5, sizeof b);
  const auto& nat = state_->nat;
  b.size = static_cast<std::uint16_t>(
      nat.hand_over()->take(from, nat.table().share().worker(), b.packet));
  b.port = b.size != 0 ? b.packet[0]->port : std::uint16_t{0};
  b.taken = true;
  b.overdue = false;
  b.read = false;
  return handle(b, now);
}

std::vector<Handled> Rig::handle(dataplane::Burst& b, const snapshot::Snapshot& now) {
  state_->tick = tick;
  state_->cycles = cycles;
  std::vector<Handled> outcomes;
  judge(b, now, outcomes);
  while (state_->take_held(b)) judge(b, now, outcomes);
  return outcomes;
}

void Rig::judge(dataplane::Burst& b, const snapshot::Snapshot& now, std::vector<Handled>& outcomes,
                dataplane::Burst* behind) {
  if (by_stages)
    dataplane::process_by_stages(b, now, *state_);
  else
    dataplane::process(b, now, *state_, behind);
  counters_.rx_packets.add(b.size);
  dataplane::count(b, counters_);
  for (std::uint16_t i = 0; i < b.size; ++i) {
    Handled o{.verdict = b.verdict[i], .bytes = bytes_of(b.packet[i]), .service = {}};
    if (b.service[i] != nullptr) o.service = b.service[i]->number;
    if (o.verdict == Verdict::kForward) {
      o.backend = b.backend[i];
      o.new_flow = b.new_flow[i];
    }
    if (dataplane::is_sent(o.verdict)) o.port = b.egress[i];
    ++seen_[static_cast<std::size_t>(o.verdict)];
    outcomes.push_back(std::move(o));
    rte_pktmbuf_free(b.packet[i]);
  }
}

std::vector<Handled> Rig::run(const snapshot::Snapshot& now, std::span<const Bytes> packets) {
  std::vector<Handled> all;
  for (std::size_t at = 0; at < packets.size(); at += dataplane::kBurst) {
    auto some = burst(
        now, packets.subspan(at, std::min<std::size_t>(dataplane::kBurst, packets.size() - at)));
    std::ranges::move(some, std::back_inserter(all));
  }
  return all;
}

Handled Rig::one(const snapshot::Snapshot& now, const Bytes& packet) {
  auto outcomes = burst(now, {&packet, 1});
  if (outcomes.empty()) throw std::logic_error("the packet is kept, or another worker's");
  return outcomes.front();
}

std::vector<Handled> Rig::wait(const snapshot::Snapshot& now, std::uint64_t seconds) {
  cycles += seconds * kCyclesPerSecond;
  return burst(now, {});
}

dataplane::Books Rig::books() const noexcept {
  dataplane::Books books;
  books.add(counters_);
  return books;
}

}  // namespace sluice::test
