// SPDX-License-Identifier: Apache-2.0
// Plain headers in AVX2: eight frames at a time, a column of one field in each register.
//
// Every function here carries the instruction set itself, and none of them is inline elsewhere: a
// program for older CPUs links this file and never calls it there.
#include "dataplane/plain_headers.hpp"

#include "packet/headers.hpp"

#include <immintrin.h>

#include <cstring>

#define SLUICE_LANES [[gnu::target("avx2"), gnu::always_inline]] inline

namespace sluice::dataplane {
namespace {

constexpr unsigned kLanes = 8;

/// A field that is the same for all.
SLUICE_LANES __m256i all(std::uint32_t value) noexcept {
  return _mm256_set1_epi32(static_cast<int>(value));
}

/// A bit for each lane whose sign is set.
SLUICE_LANES std::uint32_t bits(__m256i lanes) noexcept {
  return static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(lanes)));
}

SLUICE_LANES void store(std::uint32_t* to, __m256i lanes) noexcept {
  _mm256_store_si256(reinterpret_cast<__m256i*>(to), lanes);
}

SLUICE_LANES int word(const std::byte* from) noexcept {
  int loaded = 0;
  std::memcpy(&loaded, from, sizeof loaded);
  return loaded;
}

/// Four bytes of each frame.
SLUICE_LANES __m256i column(const std::byte* const* frame, std::size_t at) noexcept {
  return _mm256_set_epi32(word(frame[7] + at), word(frame[6] + at), word(frame[5] + at),
                          word(frame[4] + at), word(frame[3] + at), word(frame[2] + at),
                          word(frame[1] + at), word(frame[0] + at));
}

/// Eight columns: bytes `at` to `at` + 31 of each frame, transposed.
struct Columns {
  __m256i word[8];
};

SLUICE_LANES __m256i halves(const std::byte* low, const std::byte* high) noexcept {
  const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(low));
  const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(high));
  return _mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1);
}

/// Four of them.
SLUICE_LANES void take_four(const std::byte* const* frame, std::size_t at, __m256i* to) noexcept {
  const __m256i r0 = halves(frame[0] + at, frame[4] + at);
  const __m256i r1 = halves(frame[1] + at, frame[5] + at);
  const __m256i r2 = halves(frame[2] + at, frame[6] + at);
  const __m256i r3 = halves(frame[3] + at, frame[7] + at);
  const __m256i low01 = _mm256_unpacklo_epi32(r0, r1);
  const __m256i low23 = _mm256_unpacklo_epi32(r2, r3);
  const __m256i high01 = _mm256_unpackhi_epi32(r0, r1);
  const __m256i high23 = _mm256_unpackhi_epi32(r2, r3);
  to[0] = _mm256_unpacklo_epi64(low01, low23);
  to[1] = _mm256_unpackhi_epi64(low01, low23);
  to[2] = _mm256_unpacklo_epi64(high01, high23);
  to[3] = _mm256_unpackhi_epi64(high01, high23);
}

SLUICE_LANES Columns columns(const std::byte* const* frame, std::size_t at) noexcept {
  Columns out;
  take_four(frame, at, out.word);
  take_four(frame, at + 16, out.word + 4);
  return out;
}

/// The upper half of `low` and the lower of `high`: what stands across two columns.
SLUICE_LANES __m256i across(__m256i low, __m256i high) noexcept {
  return _mm256_or_si256(_mm256_srli_epi32(low, 16), _mm256_slli_epi32(high, 16));
}

/// A field of two bytes as a number, from byte kAt of its column on.
template <char kAt>
SLUICE_LANES __m256i number(__m256i from) noexcept {
  constexpr char kNone = -128;
  const __m128i order =
      _mm_setr_epi8(kAt + 1, kAt, kNone, kNone, kAt + 5, kAt + 4, kNone, kNone, kAt + 9, kAt + 8,
                    kNone, kNone, kAt + 13, kAt + 12, kNone, kNone);
  return _mm256_shuffle_epi8(from, _mm256_broadcastsi128_si256(order));
}

/// Both halves of eight sums of 64 bits: of the even lanes and of the odd ones.
struct Sums {
  __m256i even;
  __m256i odd;
};

/// sluice_flow_hash_pair() of each lane, added.
SLUICE_LANES void add_pair(Sums& to, __m256i a, std::uint32_t ka, __m256i b,
                           std::uint32_t kb) noexcept {
  const __m256i x = _mm256_add_epi32(a, all(ka));
  const __m256i y = _mm256_add_epi32(b, all(kb));
  to.even = _mm256_add_epi64(to.even, _mm256_mul_epu32(x, y));
  to.odd = _mm256_add_epi64(to.odd,
                            _mm256_mul_epu32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(y, 32)));
}

/// x * constant, modulo 2^64.
SLUICE_LANES __m256i multiply(__m256i x, std::uint64_t constant) noexcept {
  const __m256i low = _mm256_set1_epi64x(static_cast<long long>(constant & 0xffffffffU));
  const __m256i high = _mm256_set1_epi64x(static_cast<long long>(constant >> 32));
  const __m256i cross =
      _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(x, 32), low), _mm256_mul_epu32(x, high));
  return _mm256_add_epi64(_mm256_mul_epu32(x, low), _mm256_slli_epi64(cross, 32));
}

/// The last steps of sluice_flow_hash().
SLUICE_LANES __m256i finish(__m256i h) noexcept {
  h = multiply(_mm256_xor_si256(h, _mm256_srli_epi64(h, 30)), 0xbf58476d1ce4e5b9U);
  h = multiply(_mm256_xor_si256(h, _mm256_srli_epi64(h, 27)), 0x94d049bb133111ebU);
  return _mm256_xor_si256(h, _mm256_srli_epi64(h, 31));
}

/// Also their tags: the upper half, but the last bit of the lower one.
SLUICE_LANES void store_hashes(PlainHeaders& out, unsigned first, const Sums& sums) noexcept {
  const __m256i even = finish(sums.even);
  const __m256i odd = finish(sums.odd);
  const __m256i upper = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
  const __m256i lower = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
  const __m256i last = all(1);
  store(&out.tag[first],
        _mm256_or_si256(_mm256_andnot_si256(last, upper), _mm256_and_si256(last, lower)));
  const __m256i low = _mm256_unpacklo_epi64(even, odd);   // lanes 0 1 4 5
  const __m256i high = _mm256_unpackhi_epi64(even, odd);  // lanes 2 3 6 7
  auto* at = reinterpret_cast<__m256i*>(&out.hash[first]);
  _mm256_store_si256(at, _mm256_permute2x128_si256(low, high, 0x20));
  _mm256_store_si256(at + 1, _mm256_permute2x128_si256(low, high, 0x31));
}

/// Whether what stands behind the IP header is fit to be plain.
struct Transport {
  __m256i tcp;
  __m256i udp;
  __m256i syn;
  __m256i fit;
};

/// @param flags       the TCP header's four bytes that end with the flags.
/// @param udp_length  of the UDP header.
/// @param room        bytes of the packet behind the IP header.
SLUICE_LANES Transport transport(__m256i protocol, __m256i flags, __m256i udp_length,
                                 __m256i room) noexcept {
  Transport t;
  t.tcp = _mm256_cmpeq_epi32(protocol, all(wire::kIpProtoTcp));
  t.udp = _mm256_cmpeq_epi32(protocol, all(wire::kIpProtoUdp));
  constexpr std::uint32_t kLooked =
      std::uint32_t{wire::kTcpFin | wire::kTcpSyn | wire::kTcpRst | wire::kTcpAck} << 24;
  const __m256i looked = _mm256_and_si256(flags, all(kLooked));
  t.syn = _mm256_cmpeq_epi32(looked, all(std::uint32_t{wire::kTcpSyn} << 24));
  const __m256i ack = _mm256_cmpeq_epi32(looked, all(std::uint32_t{wire::kTcpAck} << 24));
  // The header's length in words is the upper half of the byte before the flags.
  const __m256i header = _mm256_and_si256(_mm256_srli_epi32(flags, 18), all(0x3c));
  const __m256i length = _mm256_blendv_epi8(udp_length, header, t.tcp);
  const __m256i least =
      _mm256_blendv_epi8(all(sizeof(wire::Udp) - 1), all(sizeof(wire::Tcp) - 1), t.tcp);
  const __m256i kind = _mm256_or_si256(t.udp, _mm256_and_si256(t.tcp, _mm256_or_si256(t.syn, ack)));
  const __m256i here =
      _mm256_andnot_si256(_mm256_cmpgt_epi32(length, room), _mm256_cmpgt_epi32(length, least));
  t.fit = _mm256_and_si256(kind, here);
  return t;
}

/// Enters what was found of the group of lanes that begins at frame `first`.
SLUICE_LANES void note(PlainHeaders& out, unsigned first, const Transport& t, __m256i hashed,
                       __m256i plain, __m256i like) noexcept {
  out.hashed |= bits(hashed) << first;
  out.plain |= bits(plain) << first;
  out.udp |= bits(_mm256_and_si256(plain, t.udp)) << first;
  out.syn |= bits(_mm256_and_si256(plain, _mm256_and_si256(t.tcp, t.syn))) << first;
  out.like |= bits(_mm256_and_si256(plain, like)) << first;
}

SLUICE_LANES __m256i lengths(const Frames& frames, unsigned first) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(&frames.length[first]));
}

SLUICE_LANES void read_eight_v4(const Frames& frames, unsigned first, const HashKey& secret,
                                const Target& like, PlainHeaders& out) noexcept {
  // Words from byte 16 on: length and id; fragment, TTL, protocol; checksum, source's first half;
  // its second, destination's first; its second, source port; destination port, and the length of
  // UDP; nothing; of TCP what ends with the flags.
  const auto* at = &frames.at[first];
  const Columns c = columns(at, 16);
  const __m256i begin = column(at, 12);  // Ethernet type, version and header length, TOS
  const __m256i source = across(c.word[2], c.word[3]);
  const __m256i destination = across(c.word[3], c.word[4]);
  const __m256i ports = across(c.word[4], c.word[5]);
  const __m256i protocol = _mm256_srli_epi32(c.word[1], 24);
  const __m256i total = number<0>(c.word[0]);
  const Transport t = transport(protocol, c.word[7], number<2>(c.word[5]),
                                _mm256_sub_epi32(total, all(sizeof(wire::Ipv4))));

  const __m256i ip = _mm256_cmpeq_epi32(_mm256_and_si256(begin, all(0xffffffU)), all(0x450008U));
  const __m256i hashed = _mm256_and_si256(ip, _mm256_or_si256(t.tcp, t.udp));
  const __m256i net = _mm256_and_si256(source, all(0xff));
  const __m256i whole =
      _mm256_cmpeq_epi32(_mm256_and_si256(c.word[1], all(0xff3fU)), _mm256_setzero_si256());
  const __m256i lives =
      _mm256_cmpgt_epi32(_mm256_and_si256(c.word[1], all(0xff0000U)), all(0x10000U));
  const __m256i longer =
      _mm256_cmpgt_epi32(_mm256_add_epi32(total, all(kPlainIp)), lengths(frames, first));
  const __m256i odd = _mm256_or_si256(
      _mm256_or_si256(_mm256_cmpeq_epi32(net, _mm256_setzero_si256()),
                      _mm256_cmpeq_epi32(net, all(127))),
      _mm256_or_si256(_mm256_cmpgt_epi32(net, all(223)), _mm256_cmpeq_epi32(source, destination)));
  const __m256i plain = _mm256_andnot_si256(
      _mm256_or_si256(odd, longer),
      _mm256_and_si256(_mm256_and_si256(hashed, t.fit), _mm256_and_si256(whole, lives)));
  const __m256i alike = _mm256_and_si256(
      _mm256_cmpeq_epi32(destination, all(like.address[0])),
      _mm256_and_si256(_mm256_cmpeq_epi32(_mm256_srli_epi32(ports, 16), all(like.port)),
                       _mm256_cmpeq_epi32(protocol, all(like.protocol))));
  note(out, first, t, hashed, plain, alike);

  Sums sums{_mm256_set1_epi64x(static_cast<long long>(secret.tail)),
            _mm256_set1_epi64x(static_cast<long long>(secret.tail))};
  add_pair(sums, source, secret.word[0], destination, secret.word[1]);
  add_pair(sums, ports, secret.word[2], _mm256_or_si256(protocol, all(4U << 8)), secret.word[3]);
  store_hashes(out, first, sums);
  for (unsigned lane = 0; lane < kLanes; ++lane) frames.flows->prefetch(out.hash[first + lane]);

  store(&out.length[first], total);
  store(&out.look[first],
        _mm256_or_si256(_mm256_srli_epi32(begin, 24),
                        _mm256_slli_epi32(_mm256_and_si256(c.word[1], all(0x40)), 16)));
  // RFC 1624, equation 3: the word with the TTL goes down by one as it stands in memory.
  const __m256i mask = all(0xffff);
  const __m256i sum = _mm256_add_epi32(_mm256_andnot_si256(c.word[2], mask), all(0xfffe));
  const __m256i folded = _mm256_add_epi32(_mm256_and_si256(sum, mask), _mm256_srli_epi32(sum, 16));
  const __m256i check = _mm256_slli_epi32(_mm256_xor_si256(folded, mask), 16);
  const __m256i word = _mm256_sub_epi32(_mm256_srli_epi32(c.word[1], 16), all(1));
  store(&out.aged[first], _mm256_or_si256(check, word));
}

SLUICE_LANES __m256i equal(const __m256i* a, const __m256i* b) noexcept {
  const __m256i first =
      _mm256_and_si256(_mm256_cmpeq_epi32(a[0], b[0]), _mm256_cmpeq_epi32(a[1], b[1]));
  return _mm256_and_si256(
      first, _mm256_and_si256(_mm256_cmpeq_epi32(a[2], b[2]), _mm256_cmpeq_epi32(a[3], b[3])));
}

SLUICE_LANES void read_eight_v6(const Frames& frames, unsigned first, const HashKey& secret,
                                const Target& like, PlainHeaders& out) noexcept {
  const auto* at = &frames.at[first];
  const Columns addresses = columns(at, 22);
  const __m256i* source = addresses.word;
  const __m256i* destination = addresses.word + 4;
  const __m256i begin = column(at, 12);   // Ethernet type, version, traffic class
  const __m256i middle = column(at, 18);  // payload length, next header, hop limit
  const __m256i ports = column(at, kPlainL4v6);
  const __m256i payload = number<0>(middle);
  const __m256i protocol = _mm256_and_si256(_mm256_srli_epi32(middle, 16), all(0xff));
  const __m256i total = _mm256_add_epi32(payload, all(sizeof(wire::Ipv6)));
  const Transport t = transport(protocol, column(at, kPlainL4v6 + 10),
                                number<0>(column(at, kPlainL4v6 + 4)), payload);

  const __m256i ip = _mm256_cmpeq_epi32(_mm256_and_si256(begin, all(0xf0ffffU)), all(0x60dd86U));
  const __m256i hashed = _mm256_and_si256(ip, _mm256_or_si256(t.tcp, t.udp));
  const __m256i lives = _mm256_cmpgt_epi32(_mm256_srli_epi32(middle, 24), all(1));
  const __m256i longer = _mm256_or_si256(
      _mm256_cmpgt_epi32(_mm256_add_epi32(total, all(kPlainIp)), lengths(frames, first)),
      _mm256_cmpgt_epi32(total, all(0xffff)));
  const __m256i multicast = _mm256_cmpeq_epi32(_mm256_and_si256(source[0], all(0xff)), all(0xff));
  const __m256i odd = _mm256_or_si256(
      _mm256_or_si256(multicast, equal(source, destination)),
      _mm256_cmpeq_epi32(_mm256_or_si256(source[0], _mm256_or_si256(source[1], source[2])),
                         _mm256_setzero_si256()));
  const __m256i plain = _mm256_andnot_si256(
      _mm256_or_si256(odd, longer), _mm256_and_si256(_mm256_and_si256(hashed, t.fit), lives));
  const __m256i address[4] = {all(like.address[0]), all(like.address[1]), all(like.address[2]),
                              all(like.address[3])};
  const __m256i alike = _mm256_and_si256(
      equal(destination, address),
      _mm256_and_si256(_mm256_cmpeq_epi32(_mm256_srli_epi32(ports, 16), all(like.port)),
                       _mm256_cmpeq_epi32(protocol, all(like.protocol))));
  note(out, first, t, hashed, plain, alike);

  Sums sums{_mm256_set1_epi64x(static_cast<long long>(secret.tail)),
            _mm256_set1_epi64x(static_cast<long long>(secret.tail))};
  add_pair(sums, source[0], secret.word[0], destination[0], secret.word[1]);
  add_pair(sums, ports, secret.word[2], _mm256_or_si256(protocol, all(6U << 8)), secret.word[3]);
  add_pair(sums, source[1], secret.word[4], destination[1], secret.word[5]);
  add_pair(sums, source[2], secret.word[6], destination[2], secret.word[7]);
  add_pair(sums, source[3], secret.word[8], destination[3], secret.word[9]);
  store_hashes(out, first, sums);
  for (unsigned lane = 0; lane < kLanes; ++lane) frames.flows->prefetch(out.hash[first + lane]);

  store(&out.length[first], total);
  const __m256i high = _mm256_and_si256(_mm256_srli_epi32(begin, 12), all(0xf0));
  store(&out.look[first],
        _mm256_or_si256(_mm256_or_si256(high, _mm256_srli_epi32(begin, 28)), all(0x40U << 16)));
  store(&out.aged[first], _mm256_setzero_si256());
}

}  // namespace

[[gnu::target("avx2")]] void read_plain_v4_avx2(const Frames& frames, unsigned count,
                                                const HashKey& secret, const Target& like,
                                                PlainHeaders& out) noexcept {
  out.hashed = out.plain = out.syn = out.udp = out.like = 0;
  for (unsigned first = 0; first < count; first += kLanes)
    read_eight_v4(frames, first, secret, like, out);
}

[[gnu::target("avx2")]] void read_plain_v6_avx2(const Frames& frames, unsigned count,
                                                const HashKey& secret, const Target& like,
                                                PlainHeaders& out) noexcept {
  out.hashed = out.plain = out.syn = out.udp = out.like = 0;
  for (unsigned first = 0; first < count; first += kLanes)
    read_eight_v6(frames, first, secret, like, out);
}

}  // namespace sluice::dataplane
