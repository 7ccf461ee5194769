// SPDX-License-Identifier: Apache-2.0
// lib/xdp/admit.bpf.h: denied prefixes, and sources that open connections too fast.
#include "xdp/attached.hpp"
#include "xdp/filter.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace sluice::xdp {
namespace {

using test::kClient;
using test::kClient6;
using test::kHostAddress;
using test::kNat;
using test::kVip;
using test::kVip6;

constexpr std::uint64_t kHour = 3'600'000'000'000;  // so that nothing drains during a test

Bytes from(const std::string& source, std::uint8_t flags = wire::kTcpSyn) {
  return source.find(':') == source.npos
             ? Packet().eth().ipv4(source, kVip).tcp(40000, 443, flags)
             : Packet().eth().ipv6(source, kVip6).tcp(40000, 443, flags);
}

class Admission : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    if (IsSkipped()) return;
    const std::array services = {entry(kVip, 443, 6), entry(kVip, 53, 17), entry(kVip6, 443, 6),
                                 entry(kVip6, 53, 17), entry(test::kWholeVip, 0, 6)};
    const std::array nat = {NatEntry{IpAddress::parse(kNat).value(), 6}};
    serve(services, nat);
  }
  /// A limit of `burst` SYNs of a source, none of which drains.
  void limit(std::uint64_t burst, std::uint32_t mask4 = ~0U,
             std::array<std::uint32_t, 4> mask6 = {~0U, ~0U, ~0U, ~0U}) {
    sluice_xdp_settings settings{};
    settings.secret = 99;
    settings.syn_cost = kHour;
    settings.slot_room = burst / 2 * kHour;
    settings.syn_room = (burst - burst / 2) * kHour;
    settings.syn_mask4 = mask4;
    std::ranges::copy(mask6, settings.syn_mask6);
    set(settings);
  }
  [[nodiscard]] std::uint32_t action_of(const Bytes& frame) const {
    return test::run(bpf_program__fd(object_->progs.sluice_filter), frame).action;
  }
  [[nodiscard]] std::size_t sources() const {
    std::size_t count = 0;
    sluice_xdp_service_key key{};
    const void* previous = nullptr;
    while (bpf_map_get_next_key(map(), previous, &key) == 0) {
      ++count;
      previous = &key;
    }
    return count;
  }
  [[nodiscard]] bool has_bucket(const std::string& source) const {
    const auto key = key_of(IpAddress::parse(source).value());
    sluice_xdp_service_key at{};
    const void* previous = nullptr;  // a look-up would be a use
    while (bpf_map_get_next_key(map(), previous, &at) == 0) {
      if (std::memcmp(&at, &key, sizeof key) == 0) return true;
      previous = &at;
    }
    return false;
  }
  /// One SYN from each of 1,000,000 sources that nobody has. @return how many were admitted.
  unsigned flood() {
    Bytes frame = from("0.0.0.0");
    unsigned admitted = 0;
    for (std::uint32_t i = 0; i < 1'000'000; ++i) {
      const std::uint32_t source = __builtin_bswap32(0x0b000000 + i * 7);
      std::memcpy(frame.data() + 26, &source, sizeof source);
      bpf_test_run_opts options{};
      options.sz = sizeof options;
      options.data_in = frame.data();
      options.data_size_in = static_cast<__u32>(frame.size());
      if (bpf_prog_test_run_opts(bpf_program__fd(object_->progs.sluice_filter), &options) != 0)
        return 0;
      admitted += options.retval == XDP_REDIRECT ? 1 : 0;
    }
    return admitted;
  }

 private:
  [[nodiscard]] int map() const { return bpf_map__fd(object_->maps.sluice_sources); }
};

TEST_F(Admission, ASourceMaySendItsBurstAndNoMore) {
  for (const unsigned burst : {1U, 2U, 5U, 64U}) {
    limit(burst);
    for (const std::string& source :
         {"198.51.100." + std::to_string(burst), "2001:db8::" + std::to_string(burst)})
      for (unsigned i = 0; i < burst + 3; ++i) {
        const auto got = judge(from(source));
        const bool over = i >= burst;
        EXPECT_EQ(got.stat, over ? SLUICE_XDP_SYN_LIMITED : SLUICE_XDP_REDIRECT) << source << i;
        EXPECT_EQ(got.action, static_cast<std::uint32_t>(over ? XDP_DROP : XDP_REDIRECT));
      }
  }
}

TEST_F(Admission, ARestedSourceIsAdmittedAgain) {
  limit(4);
  while (judge(from(kClient)).stat != SLUICE_XDP_SYN_LIMITED) continue;
  // As if an hour had passed since: the buckets' times move instead of the clock.
  const auto key = key_of(IpAddress::parse(kClient).value());
  sluice_xdp_bucket bucket{};
  const int sources = bpf_map__fd(object_->maps.sluice_sources);
  ASSERT_EQ(bpf_map_lookup_elem(sources, &key, &bucket), 0);
  bucket.full_at -= kHour;
  ASSERT_EQ(bpf_map_update_elem(sources, &key, &bucket, 0), 0);
  EXPECT_EQ(judge(from(kClient)).stat, SLUICE_XDP_REDIRECT);
  EXPECT_EQ(judge(from(kClient)).stat, SLUICE_XDP_SYN_LIMITED);
}

TEST_F(Admission, TheRateIsNeverAboveWhatOneBucketWouldAdmit) {
  sluice_xdp_settings settings{};
  settings.syn_cost = 1'000'000;  // 1000 a second
  settings.slot_room = 5 * settings.syn_cost;
  settings.syn_room = 5 * settings.syn_cost;
  settings.syn_mask4 = ~0U;
  set(settings);
  const Bytes frame = from(kClient);
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t admitted = 0;
  for (int i = 0; i < 100000; ++i) admitted += action_of(frame) == XDP_REDIRECT ? 1U : 0U;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_LE(static_cast<double>(admitted), 10 + 1000 * took.count() + 1);
  EXPECT_GE(admitted, 10U);
}

TEST_F(Admission, OnlyASynToAServiceCounts) {
  limit(1);
  const Bytes syn = from(kClient);
  ASSERT_EQ(judge(syn).stat, SLUICE_XDP_REDIRECT);
  ASSERT_EQ(judge(syn).stat, SLUICE_XDP_SYN_LIMITED);
  for (const int flags : {+wire::kTcpAck, wire::kTcpSyn | wire::kTcpAck, +wire::kTcpRst,
                          wire::kTcpFin | wire::kTcpAck, wire::kTcpSyn | wire::kTcpRst})
    EXPECT_EQ(judge(from(kClient, static_cast<std::uint8_t>(flags))).stat, SLUICE_XDP_REDIRECT);
  EXPECT_EQ(judge(test::to(kVip).udp(1, 53)).stat, SLUICE_XDP_REDIRECT);
  EXPECT_EQ(judge(test::to(kNat).tcp(443, 1, wire::kTcpSyn)).stat, SLUICE_XDP_REDIRECT);
  EXPECT_EQ(judge(test::to(kHostAddress).tcp(1, 22, wire::kTcpSyn)).stat, SLUICE_XDP_PASS);
  EXPECT_EQ(judge(test::to(test::kWholeVip).tcp(1, 9, wire::kTcpSyn)).stat, SLUICE_XDP_SYN_LIMITED)
      << "all services together, one for every port among them";
}

TEST_F(Admission, SourcesOfOnePrefixShareABucket) {
  limit(2, __builtin_bswap32(0xffffff00), {~0U, __builtin_bswap32(0xffff0000), 0, 0});
  EXPECT_EQ(judge(from("192.0.2.1")).stat, SLUICE_XDP_REDIRECT);
  EXPECT_EQ(judge(from("192.0.2.2")).stat, SLUICE_XDP_REDIRECT);
  EXPECT_EQ(judge(from("192.0.2.3")).stat, SLUICE_XDP_SYN_LIMITED);
  EXPECT_EQ(judge(from("192.0.3.3")).stat, SLUICE_XDP_REDIRECT);
  EXPECT_EQ(judge(from("2001:db8:1::1")).stat, SLUICE_XDP_REDIRECT);
  EXPECT_EQ(judge(from("2001:db8:1:ff::1")).stat, SLUICE_XDP_REDIRECT);
  EXPECT_EQ(judge(from("2001:db8:1:3:4::1")).stat, SLUICE_XDP_SYN_LIMITED);
  EXPECT_EQ(judge(from("2001:db8:2::1")).stat, SLUICE_XDP_REDIRECT);
}

TEST_F(Admission, ALimitedSynIsNeitherRefusedNorAnswered) {
  limit(1);
  const std::array services = {entry(kVip, 443, 6, Takes::kNothing)};
  serve(services);
  EXPECT_EQ(judge(from(kClient)).stat, SLUICE_XDP_REFUSED);
  const auto got = judge(from(kClient));
  EXPECT_EQ(got, (Outcome{SLUICE_XDP_SYN_LIMITED, XDP_DROP, from(kClient)}));
}

TEST_F(Admission, AMillionSpoofedSourcesEnterNoBucketAndEvictNone) {
  limit(32);
  while (judge(from(kClient)).stat != SLUICE_XDP_SYN_LIMITED) continue;
  ASSERT_TRUE(has_bucket(kClient));
  ASSERT_EQ(sources(), 1U);
  EXPECT_EQ(flood(), 1'000'000U);
  EXPECT_EQ(sources(), 1U) << "who is seen once shares a slot";
  EXPECT_EQ(judge(from(kClient)).stat, SLUICE_XDP_SYN_LIMITED)
      << "what it has sent is not forgotten";
}

// The worst case: no slot has room, so that each source gets a bucket of its own.
TEST_F(Admission, AMillionSpoofedSourcesWithBucketsDoNotEvictOneThatWasSeenTwice) {
  limit(1);
  for (int i = 0; i < 3; ++i) (void)judge(from(kClient));
  EXPECT_EQ(flood(), 1'000'000U);
  EXPECT_GT(sources(), SLUICE_XDP_SYN_SOURCES / 2U) << "the flood filled the map";
  EXPECT_TRUE(has_bucket(kClient));
  EXPECT_EQ(judge(from(kClient)).stat, SLUICE_XDP_SYN_LIMITED);
}

TEST_F(Admission, ASourceWhoseSlotOthersHaveUsedUpHasABucketOfItsOwn) {
  sluice_xdp_settings settings{};
  settings.syn_cost = kHour;
  settings.slot_room = 0;
  settings.syn_room = 4 * kHour;
  settings.syn_mask4 = ~0U;
  set(settings);
  for (int i = 0; i < 6; ++i)
    for (const char* source : {kClient, "192.0.2.1"})
      EXPECT_EQ(judge(from(source)).stat, i < 4 ? SLUICE_XDP_REDIRECT : SLUICE_XDP_SYN_LIMITED);
  EXPECT_EQ(sources(), 2U);
}

/// Denied prefixes, by the loader, and the program that reads its maps.
class Denial : public AttachedTest {
 protected:
  void deny(std::initializer_list<const char*> texts) {
    std::vector<IpPrefix> prefixes;
    for (const char* text : texts) prefixes.push_back(IpPrefix::parse(text).value());
    const auto done = filter_->set_deny(prefixes);
    ASSERT_TRUE(done) << done.error().text();
  }
  [[nodiscard]] bool dropped(const Bytes& frame) const {
    const auto ran = run(frame);
    EXPECT_TRUE(ran.action == XDP_DROP || ran.action == XDP_PASS);
    return ran.action == XDP_DROP;
  }
  [[nodiscard]] bool drops(const std::string& source) const { return dropped(from(source)); }
};

TEST_F(Denial, SourcesOfADeniedPrefixReachNoService) {
  deny({"192.0.2.0/24", "198.51.100.7", "2001:db8:1::/48", "10.0.0.0/8", "10.1.0.0/16"});
  for (const char* source : {"192.0.2.0", "192.0.2.255", "198.51.100.7", "2001:db8:1::7",
                             "2001:db8:1:ffff::", "10.1.2.3", "10.255.255.255"})
    EXPECT_TRUE(drops(source)) << source;
  for (const char* source : {"192.0.3.0", "192.0.1.255", "198.51.100.6",
                             "2001:db8:2::", "2001:db8:0:ffff::", "11.0.0.0", "::ffff:192.0.2.1"})
    EXPECT_FALSE(drops(source)) << source;
  EXPECT_EQ(filter_->statistics("lb0").value()[SLUICE_XDP_DENIED].packets, 7U);
  EXPECT_EQ(filter_->statistics("lb0").value()[SLUICE_XDP_DENIED].name, "denied");
}

TEST_F(Denial, WhatIsForLinuxIsNotTouched) {
  deny({"0.0.0.0/0", "::/0"});
  EXPECT_TRUE(drops(kClient));
  EXPECT_TRUE(drops(kClient6));
  EXPECT_TRUE(dropped(test::to(kVip).icmp_echo(1, 1)));
  EXPECT_TRUE(dropped(test::to(kVip).fragment(9, true).tcp(1, 443)));
  EXPECT_TRUE(dropped(test::to(kVip).total_length(1400).tcp(1, 443)));
  EXPECT_TRUE(dropped(test::to(kNat).tcp(443, 1)));
  EXPECT_FALSE(dropped(test::to(kHostAddress).tcp(1, 22)));
  EXPECT_FALSE(dropped(test::to(kVip).tcp(1, 22)));
  EXPECT_FALSE(dropped(Packet().eth().arp_request("02:00:00:00:00:02", kClient, kVip)));
  AnswerSettings answers;
  answers.addresses = {IpAddress::parse(kHostAddress).value()};
  answers.icmp_echo = true;
  answers.stale_to_linux = true;
  ASSERT_TRUE(filter_->set_answers(answers));
  EXPECT_TRUE(dropped(test::to(kHostAddress).icmp_echo(1, 1))) << "a probe";
  deny({});
  EXPECT_FALSE(drops(kClient));
  EXPECT_FALSE(dropped(test::to(kHostAddress).icmp_echo(1, 1)));
}

TEST_F(Denial, AReplacementLeavesNoMomentWithoutWhatStays) {
  deny({"198.51.100.0/24", "192.0.2.0/24"});
  test::Watch watch([&] { return test::run(program_.get(), from(kClient)).action == XDP_DROP; });
  for (int i = 0; i < 100; ++i) {
    deny({"198.51.100.0/24", "10.0.0.0/8", "2001:db8::/32"});
    deny({"192.0.2.0/24", "198.51.100.0/24"});
  }
  EXPECT_TRUE(watch.held());
  EXPECT_TRUE(drops("192.0.2.1"));
  EXPECT_FALSE(drops("10.0.0.1"));
}

TEST_F(Denial, ADeadDaemonsPrefixesStayDenied) {
  deny({"198.51.100.0/24"});
  filter_.reset();
  EXPECT_TRUE(drops(kClient));
  filter_.emplace(open());
  EXPECT_TRUE(drops(kClient));
}

TEST_F(Denial, AHundredThousandPrefixesAreDeniedAndMayAllBeReplaced) {
  Random random(std::mt19937(7));
  const auto draw = [&](bool v4) {
    std::array<std::uint8_t, 16> bytes{};
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() & 0xffU);
    bytes[0] = v4 ? static_cast<std::uint8_t>(1 + bytes[0] % 100) : std::uint8_t{0x20};
    return v4 ? IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]}) : IpAddress::v6(bytes);
  };
  // Prefixes by the bits that they leave over: an oracle that needs no tree.
  const auto cut_to = [](const IpAddress& address, unsigned length) {
    auto bytes = address.bytes();
    for (unsigned bit = length; bit < 128; ++bit)
      bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> bit % 8));
    return address.is_v4() ? IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]})
                           : IpAddress::v6(bytes);
  };
  for (int round = 0; round < 2; ++round) {
    std::set<IpPrefix> wanted;
    while (wanted.size() < kMostDenied) {
      const bool v4 = wanted.size() % 2 == 0;
      const unsigned length = v4 ? 12 + random() % 21 : 20 + random() % 109;
      wanted.insert({cut_to(draw(v4), length), length});
    }
    const std::vector<IpPrefix> list(wanted.begin(), wanted.end());
    const auto done = filter_->set_deny(list);
    ASSERT_TRUE(done) << done.error().text();
    unsigned denied = 0;
    for (int i = 0; i < 4000; ++i) {
      IpAddress source = draw(i % 2 == 0);
      if (i % 4 < 2) {  // one of a prefix
        const auto& prefix = list[random() % list.size()];
        auto bytes = source.bytes();
        for (unsigned bit = 0; bit < prefix.length; ++bit) {
          const auto one = static_cast<std::uint8_t>(0x80U >> bit % 8);
          bytes[bit / 8] = static_cast<std::uint8_t>((bytes[bit / 8] & ~one) |
                                                     (prefix.address.bytes()[bit / 8] & one));
        }
        source = prefix.address.is_v4() ? IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]})
                                        : IpAddress::v6(bytes);
      }
      bool inside = false;
      for (unsigned length = 0; length <= source.bits() && !inside; ++length)
        inside = wanted.contains({cut_to(source, length), length});
      ASSERT_EQ(drops(source.text()), inside) << source.text();
      denied += inside ? 1 : 0;
    }
    EXPECT_GT(denied, 1900U);
    EXPECT_LT(denied, 3900U);
  }
  const std::vector<IpPrefix> many(kMostDenied + 1);
  const auto full = filter_->set_deny(many);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Errc::kExhausted);
}

class SynLimits : public FilterTest {};

TEST_F(SynLimits, AreWrittenAsCostsAndMasks) {
  Filter filter = open();
  const auto settings = [] {
    sluice_xdp_settings now{};
    const UniqueFd map(bpf_obj_get("/sys/fs/bpf/sluice/edge-1/sluice_settings"));
    const std::uint32_t first = 0;
    EXPECT_EQ(bpf_map_lookup_elem(map.get(), &first, &now), 0);
    return now;
  };
  ASSERT_TRUE(filter.set_syn_limit({.per_second = 300, .burst = 7, .prefix4 = 20, .prefix6 = 56}));
  EXPECT_EQ(settings().syn_cost, 3'333'334U);
  EXPECT_EQ(settings().slot_room, 3 * settings().syn_cost);
  EXPECT_EQ(settings().syn_room, 4 * settings().syn_cost);
  EXPECT_EQ(__builtin_bswap32(settings().syn_mask4), 0xfffff000U);
  EXPECT_EQ(settings().syn_mask6[0], 0xffffffffU);
  EXPECT_EQ(__builtin_bswap32(settings().syn_mask6[1]), 0xffffff00U);
  EXPECT_EQ(settings().syn_mask6[2], 0U);
  ASSERT_TRUE(filter.set_syn_limit({.per_second = 10, .prefix4 = 0, .prefix6 = 128}));
  EXPECT_EQ(settings().syn_room + settings().slot_room, 10 * settings().syn_cost);
  EXPECT_EQ(settings().syn_mask4, 0U);
  EXPECT_EQ(settings().syn_mask6[3], 0xffffffffU);
  ASSERT_TRUE(filter.set_syn_limit({}));
  EXPECT_EQ(settings().syn_cost, 0U);
  for (const SynLimit wrong : {SynLimit{1, 1, 33, 64}, SynLimit{1, 1, 32, 129}}) {
    const auto refused = filter.set_syn_limit(wrong);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::kInvalid);
  }
}

}  // namespace
}  // namespace sluice::xdp
