// SPDX-License-Identifier: Apache-2.0
// lib/xdp/filter.bpf.c, frame by frame, in the kernel by BPF_PROG_TEST_RUN.
#include "base/address.hpp"
#include "packet/parse.hpp"
#include "support/packet.hpp"
#include "xdp/filter.skel.h"
#include "xdp/layout.h"
#include "xdp/sandbox.hpp"

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tuple>

namespace sluice::xdp {
namespace {

using sluice::test::Bytes;
using sluice::test::Packet;

constexpr const char* kClient = "198.51.100.7";
constexpr const char* kVip = "203.0.113.10";         // TCP 443, UDP 53
constexpr const char* kWholeVip = "203.0.113.20";    // TCP, every port
constexpr const char* kHostAddress = "203.0.113.1";  // of no service

/// The rule in the words of the worker: what parse_frame() says, and the services.
class Oracle {
 public:
  void add(std::string_view address, std::uint16_t port, std::uint8_t protocol) {
    const std::uint32_t word = IpAddress::parse(address).value().words()[0];
    services_.emplace(word, __builtin_bswap16(port), protocol);
    addresses_.insert(word);
  }
  [[nodiscard]] std::uint32_t judge(const Bytes& frame) const {
    Parsed parsed;
    const Verdict verdict = parse_frame(frame, frame.size(), parsed);
    const std::uint32_t to = parsed.key.destination[0];
    if (verdict == Verdict::kHost) return SLUICE_XDP_PASS;
    if (verdict == Verdict::kForward)
      return services_.contains({to, parsed.key.destination_port, parsed.key.protocol}) ||
                     services_.contains({to, 0, parsed.key.protocol})
                 ? SLUICE_XDP_REDIRECT
                 : SLUICE_XDP_PASS;
    if (parsed.key.family != 4 || !addresses_.contains(to)) return SLUICE_XDP_PASS;
    return verdict == Verdict::kFragment ? SLUICE_XDP_FRAGMENT : SLUICE_XDP_MALFORMED;
  }
  [[nodiscard]] const auto& services() const { return services_; }
  [[nodiscard]] const auto& addresses() const { return addresses_; }

 private:
  std::set<std::tuple<std::uint32_t, std::uint16_t, std::uint8_t>> services_;
  std::set<std::uint32_t> addresses_;
};

class FilterProgram : public test::Sandboxed {
 protected:
  void SetUp() override {
    Sandboxed::SetUp();
    if (IsSkipped()) return;
    object_.reset(filter_bpf__open_and_load());
    ASSERT_NE(object_, nullptr) << "the kernel refuses the program";
    rule_.add(kVip, 443, 6);
    rule_.add(kVip, 53, 17);
    rule_.add(kWholeVip, 0, 6);
    for (const auto& [address, port, protocol] : rule_.services()) insert(address, port, protocol);
    for (const auto address : rule_.addresses()) insert(address, 0, 0);
  }

  void insert(std::uint32_t address, std::uint16_t port, std::uint8_t protocol) {
    const sluice_xdp_service_key key{{address, 0, 0, 0}, port, protocol, 4};
    const sluice_xdp_service value{};
    ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(object_->maps.sluice_services), &key, &value, 0), 0);
  }

  void put_socket() {
    const std::uint32_t queue = 0;
    const int fd = socket_.fd();
    ASSERT_GE(fd, 0);
    ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(object_->maps.xsks_map), &queue, &fd, 0), 0)
        << std::strerror(errno);
  }

  [[nodiscard]] std::array<std::uint64_t, SLUICE_XDP_STATS> counts() const {
    std::array<std::uint64_t, SLUICE_XDP_STATS> all{};
    for (std::uint32_t i = 0; i < all.size(); ++i)
      all[i] = test::sum_of(bpf_map__fd(object_->maps.sluice_stats), i, sizeof(sluice_xdp_count));
    return all;
  }

  /// Runs one frame and checks all that holds for every frame. @return the one counter that moved.
  std::uint32_t stat_of(const Bytes& frame, const bpf_program* program) {
    const auto before = counts();
    const auto ran = test::run(bpf_program__fd(program), frame);
    const auto after = counts();
    EXPECT_EQ(ran.error, 0) << std::strerror(-ran.error);
    EXPECT_EQ(ran.frame, frame) << "the filter changed the frame";
    std::uint32_t moved = SLUICE_XDP_STATS;
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < after.size(); ++i) {
      if (after[i] != before[i]) moved = i;
      sum += after[i] - before[i];
    }
    EXPECT_EQ(sum, 1U) << "a frame is counted once";
    const bool redirected = moved == SLUICE_XDP_REDIRECT || moved == SLUICE_XDP_FRAGMENT ||
                            moved == SLUICE_XDP_MALFORMED;
    EXPECT_EQ(ran.action, static_cast<std::uint32_t>(redirected ? XDP_REDIRECT : XDP_PASS));
    return moved;
  }
  std::uint32_t stat_of(const Bytes& frame) { return stat_of(frame, object_->progs.sluice_filter); }

  struct Unload {
    void operator()(filter_bpf* object) const { filter_bpf__destroy(object); }
  };
  std::unique_ptr<filter_bpf, Unload> object_;
  test::MapSocket socket_;
  Oracle rule_;
};

Packet to(const char* destination) { return Packet().eth().ipv4(kClient, destination); }

struct Kind {
  const char* name;
  Packet packet;
  std::uint32_t stat;
};

std::vector<Kind> kinds() {
  return {
      {"tcp service", to(kVip).tcp(40000, 443).payload(20), SLUICE_XDP_REDIRECT},
      {"udp service", to(kVip).udp(40000, 53).payload(20), SLUICE_XDP_REDIRECT},
      {"tcp options", to(kVip).tcp(40000, 443).tcp_options(3), SLUICE_XDP_REDIRECT},
      {"ip options", to(kVip).options(10).tcp(40000, 443), SLUICE_XDP_REDIRECT},
      {"padded", to(kVip).udp(40000, 53).pad(60), SLUICE_XDP_REDIRECT},
      {"vlan", Packet().eth().vlan(5).ipv4(kClient, kVip).tcp(40000, 443), SLUICE_XDP_REDIRECT},
      {"qinq", Packet().eth().qinq(7).vlan(5).ipv4(kClient, kVip).udp(1, 53), SLUICE_XDP_REDIRECT},
      {"three tags", Packet().eth().qinq(7).vlan(5).vlan(6).ipv4(kClient, kVip).udp(1, 53),
       SLUICE_XDP_PASS},
      {"every port", to(kWholeVip).tcp(40000, 1), SLUICE_XDP_REDIRECT},
      {"every port, port 0", to(kWholeVip).tcp(40000, 0), SLUICE_XDP_REDIRECT},
      {"every port of another protocol", to(kWholeVip).udp(40000, 1), SLUICE_XDP_PASS},
      {"other port", to(kVip).tcp(40000, 22), SLUICE_XDP_PASS},
      {"port 0 of a service with a port", to(kVip).tcp(40000, 0), SLUICE_XDP_PASS},
      {"port of the other protocol", to(kVip).udp(40000, 443), SLUICE_XDP_PASS},
      {"other address", to(kHostAddress).tcp(40000, 443), SLUICE_XDP_PASS},
      {"from the service", Packet().eth().ipv4(kVip, kClient).tcp(443, 443), SLUICE_XDP_PASS},
      {"icmp to a service", to(kVip).icmp_echo(1, 1).payload(8), SLUICE_XDP_PASS},
      {"arp", Packet().eth().arp_request("02:00:00:00:00:02", kClient, kVip), SLUICE_XDP_PASS},
      {"ipv6", Packet().eth().ipv6("2001:db8::1", "2001:db8::2").tcp(1, 443), SLUICE_XDP_PASS},
      {"protocol 0", to(kVip).tcp(40000, 443).protocol(0), SLUICE_XDP_PASS},
      {"first fragment", to(kVip).fragment(0, true).tcp(40000, 443), SLUICE_XDP_FRAGMENT},
      {"later fragment", to(kVip).fragment(9, false).tcp(40000, 443), SLUICE_XDP_FRAGMENT},
      {"don't fragment", to(kVip).df().tcp(40000, 443), SLUICE_XDP_REDIRECT},
      {"fragment for the host", to(kHostAddress).fragment(9, true).tcp(1, 443), SLUICE_XDP_PASS},
      {"icmp fragment", to(kVip).fragment(0, true).icmp_echo(1, 1), SLUICE_XDP_PASS},
      {"wrong version", to(kVip).ip_version(5).tcp(40000, 443), SLUICE_XDP_MALFORMED},
      {"short header", to(kVip).header_length(4).tcp(40000, 443), SLUICE_XDP_MALFORMED},
      {"header beyond total", to(kVip).header_length(15).tcp(1, 443), SLUICE_XDP_MALFORMED},
      {"total beyond frame", to(kVip).total_length(1400).tcp(40000, 443), SLUICE_XDP_MALFORMED},
      {"total below header", to(kVip).total_length(19).tcp(40000, 443), SLUICE_XDP_MALFORMED},
      {"no room for tcp", to(kVip).total_length(39).tcp(40000, 443), SLUICE_XDP_MALFORMED},
      {"data offset short", to(kVip).tcp(40000, 443).data_offset(4), SLUICE_XDP_MALFORMED},
      {"data offset long", to(kVip).tcp(40000, 443).data_offset(15), SLUICE_XDP_MALFORMED},
      {"udp length short", to(kVip).udp(40000, 53).udp_length(7), SLUICE_XDP_MALFORMED},
      {"udp length long", to(kVip).udp(40000, 53).udp_length(9), SLUICE_XDP_MALFORMED},
      {"lie to the host", to(kHostAddress).total_length(1400).tcp(1, 443), SLUICE_XDP_PASS},
      {"lying icmp to a service", to(kVip).total_length(1400).icmp_echo(1, 1),
       SLUICE_XDP_MALFORMED},
  };
}

TEST_F(FilterProgram, EveryKindOfFrameGoesWhereItBelongs) {
  put_socket();
  for (const auto& kind : kinds()) {
    EXPECT_EQ(stat_of(kind.packet), kind.stat) << kind.name;
    EXPECT_EQ(rule_.judge(kind.packet), kind.stat) << kind.name;
  }
}

TEST_F(FilterProgram, BothEntriesDecideAlike) {
  put_socket();
  for (const auto& kind : kinds())
    EXPECT_EQ(stat_of(kind.packet, object_->progs.xsk_def_prog), kind.stat) << kind.name;
}

TEST_F(FilterProgram, FramesCutAtEveryLengthAreJudgedAsTheWorkerJudgesThem) {
  put_socket();
  for (const auto& kind : kinds()) {
    const Bytes whole = kind.packet;
    for (std::size_t length = 14; length < whole.size(); ++length) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      ASSERT_EQ(stat_of(cut), rule_.judge(cut)) << kind.name << " cut at " << length;
    }
  }
}

TEST_F(FilterProgram, DamagedFramesAreJudgedAsTheWorkerJudgesThem) {
  put_socket();
  std::independent_bits_engine<std::mt19937, 32, std::uint32_t> random(std::mt19937(1));
  const auto all = kinds();
  std::array<unsigned, SLUICE_XDP_STATS> seen{};
  for (unsigned i = 0; i < 20000; ++i) {
    Bytes frame = all[random() % all.size()].packet;
    for (unsigned n = random() % 3; n <= 2; ++n)
      frame[12 + random() % std::min<std::size_t>(frame.size() - 12, 50)] =
          static_cast<std::byte>(random());
    const auto stat = stat_of(frame);
    ASSERT_EQ(stat, rule_.judge(frame)) << "frame " << i;
    ++seen[stat];
  }
  for (const auto stat :
       {SLUICE_XDP_PASS, SLUICE_XDP_REDIRECT, SLUICE_XDP_FRAGMENT, SLUICE_XDP_MALFORMED})
    EXPECT_GT(seen[stat], 100U) << "the damage reaches too few of outcome " << stat;
}

TEST_F(FilterProgram, WithoutASocketWhatIsForAServiceGoesToLinuxAndIsCounted) {
  for (const auto& kind : kinds())
    EXPECT_EQ(stat_of(kind.packet),
              kind.stat == SLUICE_XDP_PASS ? SLUICE_XDP_PASS : SLUICE_XDP_NO_SOCKET)
        << kind.name;
}

TEST_F(FilterProgram, BytesAreCountedFromTheEthernetHeaderOn) {
  put_socket();
  const Bytes frame = to(kVip).tcp(40000, 443).payload(100);
  ASSERT_EQ(stat_of(frame), SLUICE_XDP_REDIRECT);
  const std::uint32_t index = SLUICE_XDP_REDIRECT;
  std::vector<sluice_xdp_count> counts(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  ASSERT_EQ(bpf_map_lookup_elem(bpf_map__fd(object_->maps.sluice_stats), &index, counts.data()), 0);
  std::uint64_t bytes = 0;
  for (const auto& one : counts) bytes += one.bytes;
  EXPECT_EQ(bytes, frame.size());
}

TEST_F(FilterProgram, NoMapButTheNamedOnesIsNeeded) {
  // A .rodata or .bss map would be one that no restarted loader finds again.
  std::set<std::string> names;
  const bpf_map* map = nullptr;
  while ((map = bpf_object__next_map(object_->obj, map)) != nullptr)
    names.insert(bpf_map__name(map));
  EXPECT_EQ(names, (std::set<std::string>{"sluice_services", "sluice_settings", "sluice_stats",
                                          "xsks_map"}));
}

}  // namespace
}  // namespace sluice::xdp
