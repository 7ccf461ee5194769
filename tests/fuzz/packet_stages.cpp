// SPDX-License-Identifier: Apache-2.0
#include "fuzz/packet_stages.hpp"

#include "dataplane/eal.hpp"
#include "dataplane/stages.hpp"
#include "snapshot/input.hpp"
#include "support/dissect.hpp"

#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

namespace sluice::fuzz {
namespace {

using snapshot::Forwarding;
using test::Bytes;
using test::ByteView;

constexpr std::uint64_t kCyclesPerSecond = 1'000'000'000;
constexpr std::uint16_t kPorts = 2;
constexpr std::array<std::uint16_t, kPorts> kMtus{1400, 9000};  // the first is the clients'
constexpr unsigned kFirstNat = 10;  // from here to kForwardingPools: even IPv4, odd IPv6

// The snapshot.

snapshot::BackendInput backend(unsigned number, bool v4, std::uint16_t mtu) {
  auto made = test::backend("b" + std::to_string(number), number);
  if (!v4) made.address = test::ip("2001:db8:b::" + std::to_string(number));
  made.hop->mtu = mtu;
  made.hop->port = static_cast<std::uint16_t>(number % kPorts);
  return made;
}

/// Two backends of one family.
snapshot::PoolInput pool(unsigned index, Forwarding forwarding, bool v4, std::uint16_t mtu) {
  auto made =
      test::pool("p" + std::to_string(index),
                 {backend(2 * index, v4, mtu), backend(2 * index + 1, v4, mtu)}, forwarding);
  made.outer_source6 = test::ip("2001:db8:b::ffff");
  return made;
}

/// NAT is of one family.
snapshot::PoolInput nat(unsigned index, bool v4, snapshot::ClientAddress how) {
  auto made = pool(index, Forwarding::kNat, v4, 1500);
  made.nat = snapshot::NatInput{.sources = {test::ip(v4 ? "10.0.0.77" : "2001:db8:b::77")},
                                .first_port = 2000,
                                .last_port = 2063,
                                .client_address = how};
  return made;
}

// The pools that stand for a way of choosing a backend.
constexpr unsigned kBySource = kForwardingPools;
constexpr unsigned kInTurn = kForwardingPools + 1;
constexpr unsigned kInWeightedTurn = kForwardingPools + 2;
constexpr unsigned kByConnections = kForwardingPools + 3;
constexpr unsigned kByOverflow = kForwardingPools + 4;
constexpr unsigned kByConnectionId = kForwardingPools + 5;
static_assert(kByConnectionId + 1 == kPools);

void add_policies(std::vector<snapshot::PoolInput>& made) {
  using snapshot::Policy;
  for (unsigned p = kForwardingPools; p < kPools; ++p)
    made.push_back(pool(p, p % 2 == 0 ? Forwarding::kIpip : Forwarding::kGue, p % 3 != 0, 1500));
  made[kBySource].policy = Policy::kRandom;
  made[kBySource].affinity = snapshot::Affinity::kSource;
  made[kInTurn].policy = Policy::kRoundRobin;
  made[kInWeightedTurn].policy = Policy::kWeightedRoundRobin;
  made[kInWeightedTurn].max_load_ratio = 1.25;
  made[kByConnections].policy = Policy::kLeastConnections;
  for (auto& b : made[kByConnections].backends) b.max_connections = 1;
  made[kByConnections].overflow = kByOverflow;
  made[kByOverflow].policy = Policy::kLeastLoad;
  made[kByConnectionId].affinity = snapshot::Affinity::kQuicCid;
  // What a payload of 0, 1, 2 ... looks like: a short header, then the connection id.
  made[kByConnectionId].backends[0].server_id = ServerId::parse("0203");
  made[kByConnectionId].backends[1].server_id = ServerId::parse("ffff");
}

std::vector<snapshot::PoolInput> pools() {
  std::vector<snapshot::PoolInput> made{
      pool(0, Forwarding::kL2dsr, true, 1500), pool(1, Forwarding::kIpip, true, 1500),
      pool(2, Forwarding::kIpip, false, 9000), pool(3, Forwarding::kGue, true, 1500),
      pool(4, Forwarding::kGue, false, 1280),  pool(5, Forwarding::kGue, true, 9000),
      pool(6, Forwarding::kGue, false, 1500),  pool(7, Forwarding::kIpip, true, 1400),
      pool(8, Forwarding::kIpip, true, 1500),  pool(9, Forwarding::kIpip, true, 1500)};
  made[5].gue_variant = made[6].gue_variant = 0;
  made[7].decrement_ttl = false;
  using How = snapshot::ClientAddress;
  for (const How how : {How::kNone, How::kProxyV2, How::kToa})
    for (const bool v4 : {true, false})
      made.push_back(nat(static_cast<unsigned>(made.size()), v4, how));
  add_policies(made);
  for (auto& b : made[8].backends) b.hop.reset();
  for (auto& b : made[9].backends) b.weight = 0;
  return made;
}

/// Shards, limits and deny lists beside the policies: little enough of each for one burst.
void add_rules(snapshot::ServiceInput& service, unsigned family) {
  switch (service.pool) {
    case kBySource:
      service.shards = {{std::nullopt, 0, 0.5, kByOverflow}};
      break;
    case kInTurn:
      service.limits = {.new_flows_per_second = 2, .packets_per_second = 30};
      break;
    case kInWeightedTurn:
      service.limits = {.bits_per_second = 8'000'000, .source_new_flows_per_second = 1};
      break;
    case kByOverflow:
      service.deny = {IpPrefix::parse(family == 4 ? "198.51.100.0/31" : "2001:db8:d::/48").value()};
      break;
    default:
      break;
  }
}

std::unique_ptr<const snapshot::Snapshot> every_mode() {
  std::vector<snapshot::ServiceInput> services;
  for (unsigned p = 0; p < kPools; ++p)
    for (const unsigned family : {4U, 6U}) {
      if (p >= kFirstNat && p < kForwardingPools && p % 2 != (family == 4 ? 0 : 1)) continue;
      for (const auto protocol : {wire::kIpProtoTcp, wire::kIpProtoUdp}) {
        services.push_back(test::service("s" + std::to_string(services.size()), vip(family, p),
                                         p % 3 == 2 ? 0 : 443, p, protocol));
        if (p >= kForwardingPools) add_rules(services.back(), family);
      }
    }
  auto input = test::input(pools(), std::move(services));
  input.quic_lb = {{.rotation = 0, .server_id_bytes = 2, .nonce_bytes = 4, .key = {}},
                   {.rotation = 1,
                    .server_id_bytes = 2,
                    .nonce_bytes = 14,
                    .key = std::array<std::uint8_t, 16>{1, 2, 3}}};
  input.port_mtus.assign(kMtus.begin(), kMtus.end());
  return test::built(std::move(input));
}

// Packets in heap blocks.

struct Block {
  rte_mbuf_ext_shared_info info;
  std::unique_ptr<std::byte[]> bytes;
};

rte_mbuf* segment(rte_mempool* from, ByteView bytes, std::size_t headroom) {
  const std::size_t size = headroom + bytes.size();
  auto block = std::make_unique<Block>();
  block->bytes = std::make_unique<std::byte[]>(size);
  std::ranges::copy(bytes, block->bytes.get() + headroom);
  block->info.free_cb = [](void*, void* opaque) { delete static_cast<Block*>(opaque); };
  block->info.fcb_opaque = block.get();
  rte_mbuf_ext_refcnt_set(&block->info, 1);
  rte_mbuf* m = rte_pktmbuf_alloc(from);
  SLUICE_REQUIRE(m != nullptr);
  rte_pktmbuf_attach_extbuf(m, block->bytes.get(), RTE_BAD_IOVA, static_cast<std::uint16_t>(size),
                            &block->info);
  block.release();  // the buffer's, until it is freed
  m->data_off = static_cast<std::uint16_t>(headroom);
  m->data_len = static_cast<std::uint16_t>(bytes.size());
  m->pkt_len = m->data_len;
  return m;
}

rte_mbuf* packet_of(rte_mempool* from, const Arrival& arrival) {
  const ByteView frame = arrival.frame;
  const std::size_t first = std::min(arrival.first_segment, frame.size());
  rte_mbuf* m = segment(from, frame.first(first), arrival.headroom);
  if (first == frame.size()) return m;
  m->next = segment(from, frame.subspan(first), 0);
  m->nb_segs = 2;
  m->pkt_len = static_cast<std::uint32_t>(frame.size());
  return m;
}

/// The bytes of all segments, which must be within their buffers.
Bytes bytes_of(const rte_mbuf* packet) {
  Bytes bytes;
  unsigned segments = 0;
  for (const rte_mbuf* s = packet; s != nullptr; s = s->next, ++segments) {
    SLUICE_REQUIRE(std::size_t{s->data_off} + s->data_len <= s->buf_len);
    const auto* data = rte_pktmbuf_mtod(s, const std::byte*);
    bytes.insert(bytes.end(), data, data + s->data_len);
  }
  SLUICE_REQUIRE(bytes.size() == packet->pkt_len);
  SLUICE_REQUIRE(segments == packet->nb_segs);
  return bytes;
}

// What must hold.

std::size_t link_bytes(ByteView frame) { return frame.size() - test::strip_ethernet(frame).size(); }

bool same(ByteView a, ByteView b) { return std::ranges::equal(a, b); }

/// What the frame said as it came: a burst that has been processed tells it of some packets only.
Parsed parsed_of(ByteView frame) {
  Parsed p;
  (void)parse_frame(frame, frame.size(), p);
  return p;
}

/// The IP packet without padding.
ByteView packet_in(ByteView frame, const Parsed& p) {
  return frame.subspan(p.l3_offset, p.l3_length);
}

/// Nothing but TTL and header checksum differ.
void require_inner(ByteView inner, ByteView before, unsigned family, bool decremented) {
  SLUICE_REQUIRE(inner.size() == before.size());
  const std::size_t ttl = family == 4 ? 8 : 7;
  for (std::size_t i = 0; i < inner.size(); ++i) {
    if (decremented && (i == ttl || (family == 4 && (i == 10 || i == 11)))) continue;
    SLUICE_REQUIRE(inner[i] == before[i]);
  }
  const int taken = std::to_integer<int>(before[ttl]) - std::to_integer<int>(inner[ttl]);
  SLUICE_REQUIRE(taken == (decremented ? 1 : 0));
}

const snapshot::BackendInput& named(const snapshot::Snapshot& now, unsigned number) {
  for (const auto& pool : now.input.pools)
    for (const auto& b : pool.backends)
      if (b.number == number) return b;
  std::abort();
}

void require_tunnel(const snapshot::Snapshot& now, const dataplane::Burst& b, std::uint16_t i,
                    ByteView before, ByteView after) {
  const Parsed p = parsed_of(before);
  const auto& to = now.backends[b.backend[i]];
  const auto& input = now.input.pools[to.pool];
  const test::Ip outer = test::ip_of(test::strip_ethernet(after));
  const bool gue = to.forwarding == Forwarding::kGue;
  SLUICE_REQUIRE(link_bytes(after) == p.l3_offset);
  SLUICE_REQUIRE(after.size() <= before.size() + to.overhead);
  SLUICE_REQUIRE(test::text(outer.destination) == named(now, b.backend[i]).address.text());
  SLUICE_REQUIRE(outer.fixed.size() == (outer.family == 4 ? 20U : 40U));
  ByteView inner = outer.payload;
  if (gue) {
    const auto udp = test::udp_of(test::strip_ethernet(after));
    SLUICE_REQUIRE(udp.destination_port.to_host() == input.gue_port);
    SLUICE_REQUIRE(udp.source_port.to_host() >= 0xc000);
    SLUICE_REQUIRE(udp.length.to_host() == outer.payload.size());
    inner = test::strip_gue(test::strip_transport(test::strip_ethernet(after)));
    // The template's part of the checksum and the packet's: wrong in no case.
    SLUICE_REQUIRE(test::l4_checksum_ok(test::strip_ethernet(after)));
  }
  require_inner(inner, packet_in(before, p), p.key.family, input.decrement_ttl);
  if (outer.family == 4) {
    const auto ip = test::ipv4_of(test::strip_ethernet(after));
    SLUICE_REQUIRE(test::ipv4_checksum_ok(test::strip_ethernet(after)));
    SLUICE_REQUIRE(ip.tos == p.tos);
    const bool df = (ip.fragment.to_host() & wire::kIpDontFragment) != 0;
    SLUICE_REQUIRE(df == p.dont_fragment);
    SLUICE_REQUIRE(!outer.fragmented);
  } else {
    const auto ip = test::ipv6_of(test::strip_ethernet(after));
    SLUICE_REQUIRE((ip.version_class_label.to_host() >> 20 & 0xff) == p.tos);
  }
}

/// Of both directions. What carries its whole checksum keeps it right.
void require_translated(const snapshot::Snapshot& now, const dataplane::Burst& b, std::uint16_t i,
                        ByteView before, ByteView after) {
  const Parsed p = parsed_of(before);
  const ByteView packet = test::strip_ethernet(after);
  const test::Ip was = test::ip_of(packet_in(before, p));
  const test::Ip is = test::ip_of(packet);
  const bool back = now.nat.is_return(p.key);
  SLUICE_REQUIRE(is.family == was.family && is.protocol == was.protocol);
  SLUICE_REQUIRE(is.fragmented == was.fragmented && is.later == was.later);
  if (test::checksums_right(before)) {
    SLUICE_REQUIRE(is.family == 6 || test::ipv4_checksum_ok(packet));
    SLUICE_REQUIRE(is.fragmented || test::l4_checksum_ok(packet));
  }
  const auto service = static_cast<std::size_t>(b.service[i] - now.services.data());
  const auto& backend = named(now, b.backend[i]);
  if (!back) SLUICE_REQUIRE(test::text(is.destination) == backend.address.text());
  if (p.kind == Kind::kIcmpError) return;
  if (back)
    SLUICE_REQUIRE(test::text(is.source) == now.input.services[service].address.text());
  else
    SLUICE_REQUIRE(test::text(is.source) ==
                   now.input.pools[now.services[service].pool].nat->sources[0].text());
  // What either side wrote stays as it is, behind what NAT may put before it.
  const std::size_t header = p.kind == Kind::kLaterFragment        ? 0
                             : p.key.protocol == wire::kIpProtoTcp ? 20
                                                                   : 8;
  SLUICE_REQUIRE(is.payload.size() >= was.payload.size());
  const ByteView written = was.payload.subspan(header);
  SLUICE_REQUIRE(p.key.protocol == wire::kIpProtoTcp || is.payload.size() == was.payload.size());
  if (p.key.protocol == wire::kIpProtoUdp)
    SLUICE_REQUIRE(same(is.payload.subspan(header), written));
}

void require_forwarded(const snapshot::Snapshot& now, const dataplane::Burst& b, std::uint16_t i,
                       ByteView before, ByteView after) {
  SLUICE_REQUIRE(b.service[i] >= now.services.data() &&
                 b.service[i] < now.services.data() + now.services.size());
  SLUICE_REQUIRE(b.backend[i] < now.backends.size());
  const auto& to = now.backends[b.backend[i]];
  SLUICE_REQUIRE(to.state == snapshot::State::kUp && to.reachable);
  // Of a later fragment the first one says which service of the address has it.
  const Parsed p = parsed_of(before);
  SLUICE_REQUIRE(p.kind == Kind::kLaterFragment || to.pool == b.service[i]->pool ||
                 (b.service[i]->rules != nullptr && b.service[i]->rules->has_pool(to.pool)));
  const test::Ip sent = test::ip_of(test::strip_ethernet(after));
  const auto length = sent.payload.data() + sent.payload.size() - sent.fixed.data();
  // Back to a client the way is that of the port it came by.
  const bool back = now.nat.is_return(p.key);
  SLUICE_REQUIRE(length <= (back ? kMtus[b.egress[i]] : to.mtu));
  if (to.forwarding == Forwarding::kNat) return require_translated(now, b, i, before, after);
  SLUICE_REQUIRE(b.egress[i] == to.port);
  SLUICE_REQUIRE(same(after.first(12), ByteView(to.header).first(12)));
  if (to.forwarding == Forwarding::kL2dsr)
    SLUICE_REQUIRE(same(after.subspan(12), before.subspan(12)));
  else
    require_tunnel(now, b, i, before, after);
}

/// Who sent the packet gets the answer, on the link that it came by.
void require_answered(const dataplane::Burst& b, std::uint16_t i, ByteView before, ByteView after) {
  const Parsed p = parsed_of(before);
  SLUICE_REQUIRE(b.egress[i] == b.port);
  SLUICE_REQUIRE(same(after.first(6), before.subspan(6, 6)));
  SLUICE_REQUIRE(same(after.subspan(6, 6), before.first(6)));
  SLUICE_REQUIRE(same(after.subspan(12, p.l3_offset - 12U), before.subspan(12, p.l3_offset - 12U)));
  const test::Ip asked = test::ip_of(packet_in(before, p));
  const test::Ip answer = test::ip_of(test::strip_ethernet(after));
  SLUICE_REQUIRE(same(asked.source, answer.destination) && same(asked.destination, answer.source));
  SLUICE_REQUIRE(answer.family == asked.family);
  if (b.verdict[i] == Verdict::kAnsweredReset) {
    SLUICE_REQUIRE(answer.protocol == wire::kIpProtoTcp && test::checksums_right(after));
    return;
  }
  SLUICE_REQUIRE(answer.protocol ==
                 (answer.family == 4 ? wire::kIpProtoIcmp : wire::kIpProtoIcmp6));
  if (b.verdict[i] == Verdict::kAnsweredEcho) {
    SLUICE_REQUIRE(same(asked.payload.subspan(4), answer.payload.subspan(4)));
    return;
  }
  SLUICE_REQUIRE(p.kind == Kind::kFlow);
  SLUICE_REQUIRE(test::checksums_right(after));
  SLUICE_REQUIRE(test::strip_ethernet(after).size() <= (p.key.family == 4 ? 576U : 1280U));
  const ByteView quote = answer.payload.subspan(8);
  SLUICE_REQUIRE(same(quote, packet_in(before, p).first(quote.size())));
}

void judge(const snapshot::Snapshot& now, const dataplane::Burst& b, std::uint16_t i,
           const Arrival& arrival) {
  const Bytes after = bytes_of(b.packet[i]);
  const Verdict verdict = b.verdict[i];
  SLUICE_REQUIRE(static_cast<std::size_t>(verdict) < kVerdicts);
  SLUICE_REQUIRE(b.length[i] == arrival.frame.size());
  if (!dataplane::is_sent(verdict)) {  // Linux, and whoever captures drops, sees it as it came
    SLUICE_REQUIRE(same(after, arrival.frame));
    return;
  }
  SLUICE_REQUIRE(b.egress[i] < kPorts);
  const bool translated =
      verdict == Verdict::kForward && now.backends[b.backend[i]].forwarding == Forwarding::kNat;
  // A translated port may be that of GUE, or have been.
  if (!translated && test::checksums_right(arrival.frame))
    SLUICE_REQUIRE(test::checksums_right(after));
  if (verdict == Verdict::kForward)
    require_forwarded(now, b, i, arrival.frame, after);
  else
    require_answered(b, i, arrival.frame, after);
}

}  // namespace

void require(bool holds, const char* condition, const char* file, int line) {
  if (holds) return;
  std::fprintf(stderr, "%s:%d: %s does not hold\n", file, line, condition);
  std::abort();
}

Stages::Stages() {
  static auto eal = dataplane::Eal::start_small(64);
  SLUICE_REQUIRE(eal.has_value());
  // No room for data: all of it is in heap blocks.
  pool_ = rte_pktmbuf_pool_create("fuzz", 255, 0, 0, 0, SOCKET_ID_ANY);
  SLUICE_REQUIRE(pool_ != nullptr);
  now_ = every_mode();
}

void Stages::forget() {
  // In place: allocating megabytes anew would take most of the time.
  if (!memory_) memory_.emplace(64);
  const auto renew = [](auto& lines) { std::ranges::uninitialized_value_construct(lines); };
  renew(memory_->flows);
  renew(memory_->fragments);
  renew(memory_->answers);
  renew(memory_->nat);
  std::construct_at(memory_->steering.get());
  renew(memory_->signals->handshakes);  // and not the counters: no packet is judged by them
  state_.emplace(memory_->spans(), kCyclesPerSecond, 1);
}

std::vector<Bytes> Stages::run(std::span<const Arrival> arrivals) {
  dataplane::Burst b;
  std::memset(static_cast<void*>(&b), 0xa5, sizeof b);  // whoever reads before writing shows
  b.size = static_cast<std::uint16_t>(arrivals.size());
  b.port = 0;
  b.taken = false;
  b.overdue = false;
  b.read = false;
  std::array<const rte_mbuf*, dataplane::kBurst> packet;
  for (std::size_t i = 0; i < arrivals.size(); ++i)
    packet[i] = b.packet[i] = packet_of(pool_, arrivals[i]);
  std::vector<Bytes> translated;
  std::size_t judged = 0;
  const auto handle = [&] {
    dataplane::process(b, *now_, *state_);
    judged += b.size;
    settle(b, arrivals, packet, translated);
  };
  handle();
  while (state_->take_held(b)) handle();
  state_->cycles += 2 * kCyclesPerSecond;  // nothing is waited for behind the last packet
  while (state_->take_held(b)) handle();
  SLUICE_REQUIRE(judged == arrivals.size());  // nobody to hand packets over to, none lost
  SLUICE_REQUIRE(rte_mempool_in_use_count(pool_) == 0);
  return translated;
}

void Stages::settle(dataplane::Burst& b, std::span<const Arrival> arrivals,
                    std::span<const rte_mbuf* const> packets, std::vector<Bytes>& translated) {
  for (std::uint16_t i = 0; i < b.size; ++i) {
    const auto at = std::ranges::find(packets.first(arrivals.size()), b.packet[i]);
    judge(*now_, b, i, arrivals[static_cast<std::size_t>(at - packets.begin())]);
    if (b.verdict[i] == Verdict::kForward &&
        now_->backends[b.backend[i]].forwarding == Forwarding::kNat)
      translated.push_back(bytes_of(b.packet[i]));
  }

  std::array<dataplane::Traffic, 128> services{};
  std::array<dataplane::Traffic, 64> backends{};
  dataplane::Counters counters(services, backends);
  counters.rx_packets.add(b.size);
  dataplane::count(b, counters);
  dataplane::Books books;
  books.add(counters);
  SLUICE_REQUIRE(books.in_flight() == 0);

  for (std::uint16_t i = 0; i < b.size; ++i) rte_pktmbuf_free(b.packet[i]);
}

}  // namespace sluice::fuzz
