// SPDX-License-Identifier: Apache-2.0
// lib/xdp/filter.hpp: attaching in two phases, taking over, services and counters.
#include "support/packet.hpp"
#include "xdp/node.hpp"

#include <gmock/gmock.h>

#include <array>
#include <set>
#include <vector>

namespace sluice::xdp {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST_F(FilterTest, MapsArePinnedByNameAndACleanStopRemovesThem) {
  const test::Cable cable("lb0", "lb1");
  Filter filter = open();
  EXPECT_FALSE(filter.took_over());
  ASSERT_TRUE(filter.attach("lb0", Mode::kAuto));
  for (const char* pin :
       {"/sluice_settings", "/sluice_services", "/lb0/xsks_map", "/lb0/sluice_stats", "/lb0/link"})
    EXPECT_TRUE(std::filesystem::exists(std::string(kNode) + pin)) << pin;
  ASSERT_TRUE(filter.close());
  EXPECT_FALSE(std::filesystem::exists(kRoot));
  EXPECT_EQ(program_on("lb0"), 0U);
}

TEST_F(FilterTest, TheInterfaceCarriesTheNameForLibxdpFirstAndOursAfterwards) {
  const test::Cable cable("lb0", "lb1");
  Filter filter = open();
  const auto report = filter.attach("lb0", Mode::kAuto);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->mode, Mode::kNative);
  EXPECT_FALSE(report->took_over);
  EXPECT_EQ(report->note, "");
  EXPECT_EQ(name_on("lb0"), "xsk_def_prog");
  ASSERT_TRUE(filter.promote("lb0"));
  EXPECT_EQ(name_on("lb0"), "sluice_filter");
  ASSERT_TRUE(filter.attach("lb0", Mode::kAuto));
  EXPECT_EQ(name_on("lb0"), "xsk_def_prog") << "a second opening of the port needs the first phase";
}

TEST_F(FilterTest, ASuccessorOfAKilledDaemonTakesOverItsMapsWithoutAGap) {
  const test::Cable cable("lb0", "lb1");
  {
    Filter killed = open();
    ASSERT_TRUE(killed.set_services(std::array{service("203.0.113.10", 443, 6, 7)}));
    ASSERT_TRUE(killed.attach("lb0", Mode::kAuto));
    ASSERT_TRUE(killed.promote("lb0"));
  }
  EXPECT_EQ(name_on("lb0"), "sluice_filter") << "nothing is detached with the process";
  const auto services = map_id(std::string(kNode) + "/sluice_services");
  const auto sockets = map_id(std::string(kNode) + "/lb0/xsks_map");
  ASSERT_NE(services, 0U);

  test::Watch watch([] { return program_on("lb0") != 0; });
  Filter filter = open();
  EXPECT_TRUE(filter.took_over());
  EXPECT_EQ(map_id(std::string(kNode) + "/sluice_services"), services);
  EXPECT_EQ(pinned_services().size(), 2U) << "the table is there before the daemon has one";
  const auto report = filter.attach("lb0", Mode::kAuto);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_TRUE(report->took_over);
  EXPECT_EQ(map_id(std::string(kNode) + "/lb0/xsks_map"), sockets);
  EXPECT_EQ(name_on("lb0"), "xsk_def_prog");
  ASSERT_TRUE(filter.promote("lb0"));
  EXPECT_TRUE(watch.held()) << "the interface was without a program for a moment";
}

TEST_F(FilterTest, APredecessorsInterfaceThatIsNotWantedAnyMoreIsDetached) {
  const test::Cable cable("lb0", "lb1");
  {
    Filter killed = open();
    ASSERT_TRUE(killed.attach("lb0", Mode::kAuto));
    ASSERT_TRUE(killed.attach("lb1", Mode::kAuto));
  }
  Filter filter = open();
  ASSERT_TRUE(filter.attach("lb1", Mode::kAuto));
  ASSERT_TRUE(filter.detach_others());
  EXPECT_EQ(program_on("lb0"), 0U);
  EXPECT_NE(program_on("lb1"), 0U);
  EXPECT_FALSE(std::filesystem::exists(std::string(kNode) + "/lb0"));
}

TEST_F(FilterTest, TwoInterfacesShareServicesAndHaveSocketMapsOfTheirOwn) {
  const test::Cable cable("lb0", "lb1");
  Filter filter = open();
  ASSERT_TRUE(filter.attach("lb0", Mode::kAuto));
  ASSERT_TRUE(filter.attach("lb1", Mode::kAuto));
  EXPECT_NE(map_id(std::string(kNode) + "/lb0/xsks_map"),
            map_id(std::string(kNode) + "/lb1/xsks_map"));
  std::set<std::uint32_t> used;
  for (const char* interface : {"lb0", "lb1"}) {
    const UniqueFd program(bpf_prog_get_fd_by_id(program_on(interface)));
    std::array<std::uint32_t, 32> ids{};
    bpf_prog_info info{};
    info.nr_map_ids = ids.size();
    info.map_ids = reinterpret_cast<std::uintptr_t>(ids.data());
    std::uint32_t length = sizeof info;
    ASSERT_EQ(bpf_obj_get_info_by_fd(program.get(), &info, &length), 0);
    used.insert(ids.begin(), ids.begin() + info.nr_map_ids);
  }
  EXPECT_EQ(used.size(), 16U) << "twelve maps of the node, two socket maps, two counter maps";
}

TEST_F(FilterTest, TheServiceMapEqualsTheGivenSetAndOneAddressEntryEach) {
  Filter filter = open();
  ASSERT_TRUE(filter.set_services(std::array{service("203.0.113.10", 443, 6, 1),
                                             service("203.0.113.10", 53, 17, 2),
                                             service("203.0.113.20", 0, 6, 3)}));
  using Map = std::map<std::string, std::uint32_t>;
  EXPECT_EQ(pinned_services(),
            (Map{{"203.0.113.10 443 6", 1},
                 {"203.0.113.10 53 17", 2},
                 {"203.0.113.20 0 6", 3},
                 {"203.0.113.10", SLUICE_XDP_TCP_SERVICE | SLUICE_XDP_UDP_SERVICE},
                 {"203.0.113.20", SLUICE_XDP_TCP_SERVICE | SLUICE_XDP_TCP_EVERY_PORT}}));
  ASSERT_TRUE(filter.set_services(std::array{service("203.0.113.10", 443, 6, 9)}));
  EXPECT_EQ(pinned_services(),
            (Map{{"203.0.113.10 443 6", 9}, {"203.0.113.10", SLUICE_XDP_TCP_SERVICE}}));
  ASSERT_TRUE(filter.set_services({}));
  EXPECT_EQ(pinned_services(), Map{});
}

TEST_F(FilterTest, AddressesOfNatAndOfIpv6HaveEntriesThatSayWhatTheyAre) {
  Filter filter = open();
  const NatEntry tcp{IpAddress::parse("10.0.0.2").value(), 6};
  const NatEntry udp{IpAddress::parse("10.0.0.2").value(), 17};
  const NatEntry udp6{IpAddress::parse("2001:db8::10").value(), 17};
  using Map = std::map<std::string, std::uint32_t>;
  ASSERT_TRUE(filter.set_services(std::array{service("2001:db8::10", 443, 6, 4)},
                                  std::array{tcp, udp, udp6}));
  EXPECT_EQ(pinned_services(), (Map{{"2001:db8::10 443 6", 4},
                                    {"2001:db8::10", SLUICE_XDP_TCP_SERVICE | SLUICE_XDP_UDP_NAT},
                                    {"10.0.0.2", SLUICE_XDP_TCP_NAT | SLUICE_XDP_UDP_NAT}}));
  ASSERT_TRUE(filter.set_services({}, std::array{udp}));
  EXPECT_EQ(pinned_services(), (Map{{"10.0.0.2", SLUICE_XDP_UDP_NAT}}));
  const auto wrong = filter.set_services({}, std::array{NatEntry{udp6.address, 1}});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().text(),
            "NAT address 2001:db8::10: protocol 1 is neither TCP (6) nor UDP (17)");
  EXPECT_EQ(pinned_services().size(), 1U);
}

TEST_F(FilterTest, ABadSetOfServicesChangesNothing) {
  Filter filter = open();
  ASSERT_TRUE(filter.set_services(std::array{service("203.0.113.10", 443, 6, 1)}));
  const auto before = pinned_services();
  const auto twice = filter.set_services(
      std::array{service("203.0.113.20", 1, 6, 1), service("203.0.113.20", 1, 6, 2)});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code, Errc::kInvalid);
  EXPECT_EQ(twice.error().text(), "/services/1: 203.0.113.20 port 1 protocol 6 is there twice");
  ASSERT_FALSE(filter.set_services(std::array{service("203.0.113.20", 1, 0, 1)}));
  std::vector<ServiceEntry> many;
  for (std::uint32_t i = 0; i < SLUICE_XDP_SERVICES; ++i)
    many.push_back(service("203.0.113.30", static_cast<std::uint16_t>(i), 6, i));
  const auto full = filter.set_services(many);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Errc::kExhausted);
  EXPECT_EQ(pinned_services(), before);
}

TEST_F(FilterTest, AKeptServiceIsInTheMapAtEveryMomentOfAChange) {
  Filter filter = open();
  const ServiceEntry kept = service("203.0.113.10", 443, 6, 0);
  ASSERT_TRUE(filter.set_services(std::array{kept}));
  const UniqueFd map(bpf_obj_get("/sys/fs/bpf/sluice/edge-1/sluice_services"));
  sluice_xdp_service_key key{};
  key.address[0] = kept.address.words()[0];
  key.port = __builtin_bswap16(kept.port);
  key.protocol = kept.protocol;
  key.family = 4;
  test::Watch watch([&] {
    sluice_xdp_service value{};
    return bpf_map_lookup_elem(map.get(), &key, &value) == 0;
  });
  for (std::uint16_t round = 1; round <= 300; ++round) {
    std::vector<ServiceEntry> next = {kept};
    next[0].number = round;
    for (std::uint16_t i = 0; i < 20; ++i)
      next.push_back(service("203.0.113.11", static_cast<std::uint16_t>(round + i), 6, i));
    ASSERT_TRUE(filter.set_services(next));
  }
  EXPECT_TRUE(watch.held()) << "the kept service was missing at some moment";
}

// The commands of docs/design/xdp-filter.md, and what the page says that they show.
TEST_F(FilterTest, BpftoolShowsProgramsAndMapsByNameAndContent) {
  if (!test::shell("command -v bpftool >/dev/null")) GTEST_SKIP() << "needs bpftool";
  const test::Cable cable("lb0", "lb1");
  Filter filter = open();
  ASSERT_TRUE(filter.set_services(std::array{service("203.0.113.10", 443, 6, 3)}));
  ASSERT_TRUE(filter.attach("lb0", Mode::kAuto));
  ASSERT_TRUE(filter.promote("lb0"));
  EXPECT_THAT(test::output_of("bpftool net show dev lb0"), HasSubstr(") driver id "));
  EXPECT_THAT(test::output_of("bpftool prog show name sluice_filter"),
              AllOf(HasSubstr("xdp  name sluice_filter"), HasSubstr("btf_id")));
  EXPECT_THAT(test::output_of("bpftool map dump pinned /sys/fs/bpf/sluice/edge-1/sluice_services"),
              AllOf(HasSubstr("\"protocol\": 6"), HasSubstr("\"number\": 3")));
  EXPECT_THAT(test::output_of("bpftool map dump pinned /sys/fs/bpf/sluice/edge-1/lb0/sluice_stats"),
              AllOf(HasSubstr("\"key\": 4"), HasSubstr("\"packets\": 0")));
  EXPECT_THAT(test::output_of("bpftool link show pinned /sys/fs/bpf/sluice/edge-1/lb0/link"),
              HasSubstr("xdp"));
}

TEST_F(FilterTest, RemovingThePinsOfADeadDaemonDetachesItsProgram) {
  const test::Cable cable("lb0", "lb1");
  {
    Filter killed = open();
    ASSERT_TRUE(killed.attach("lb0", Mode::kAuto));
  }
  ASSERT_NE(program_on("lb0"), 0U);
  ASSERT_TRUE(test::shell("rm -r /sys/fs/bpf/sluice/edge-1 && rmdir /sys/fs/bpf/sluice"));
  // The kernel lets go of a link a moment after its last reference.
  EXPECT_TRUE(test::wait_until([] { return program_on("lb0") == 0; }));
}

TEST_F(FilterTest, EveryReceivedPacketIsInExactlyOneCounter) {
  const test::Cable cable("lb0", "lb1");
  Filter filter = open();
  ASSERT_TRUE(filter.set_services(std::array{service("203.0.113.10", 443, 6, 1)}));
  ASSERT_TRUE(filter.attach("lb0", Mode::kAuto));
  ASSERT_TRUE(filter.promote("lb0"));
  const auto total = [&] {
    std::uint64_t sum = 0;
    const auto now = filter.statistics("lb0").value();
    for (const auto& stat : now) sum += stat.packets;
    return sum;
  };
  const std::uint64_t before = total();
  const test::RawSocket peer("lb1");
  using sluice::test::Packet;
  for (std::uint16_t i = 0; i < 50; ++i) {
    ASSERT_TRUE(peer.send(Packet().eth().ipv4("198.51.100.1", "203.0.113.10").tcp(i, 443).bytes()));
    ASSERT_TRUE(peer.send(Packet().eth().ipv4("198.51.100.1", "203.0.113.10").tcp(i, 22).bytes()));
  }
  EXPECT_TRUE(test::wait_until([&] { return total() - before >= 100; }));
  const auto stats = filter.statistics("lb0").value();
  EXPECT_EQ(stats[SLUICE_XDP_PASS].packets + stats[SLUICE_XDP_NO_SOCKET].packets, total());
  EXPECT_EQ(stats[SLUICE_XDP_NO_SOCKET].name, "no_socket");
  EXPECT_EQ(stats[SLUICE_XDP_NO_SOCKET].packets, 50U);
}

}  // namespace
}  // namespace sluice::xdp
