// SPDX-License-Identifier: Apache-2.0
// lib/xdp/filter.hpp: pins, attaching, taking over, and what it refuses.
#include "xdp/filter.hpp"

#include "base/unique_fd.hpp"
#include "xdp/filter.skel.h"
#include "xdp/layout.h"
#include "xdp/pins.hpp"
#include "xdp/sandbox.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gmock/gmock.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstring>
#include <filesystem>
#include <optional>
#include <set>

namespace sluice::xdp {
namespace {

using test::shell;
using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kRoot = "/sys/fs/bpf/sluice";
constexpr const char* kNode = "/sys/fs/bpf/sluice/edge-1";

ServiceEntry service(std::string_view address, std::uint16_t port, std::uint8_t protocol,
                     std::uint32_t number) {
  return {IpAddress::parse(address).value(), port, protocol, number};
}

/// A program that is not ours, loaded; 0 instructions of interest: it passes everything.
UniqueFd foreign_program(const char* name) {
  const bpf_insn code[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS},
                           {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  return UniqueFd(bpf_prog_load(BPF_PROG_TYPE_XDP, name, "GPL", code, 2, nullptr));
}

std::uint32_t program_on(const char* interface, std::uint32_t flags = 0) {
  std::uint32_t id = 0;
  EXPECT_EQ(
      bpf_xdp_query_id(static_cast<int>(::if_nametoindex(interface)), static_cast<int>(flags), &id),
      0);
  return id;
}

std::string name_on(const char* interface) {
  const UniqueFd program(bpf_prog_get_fd_by_id(program_on(interface)));
  bpf_prog_info info{};
  std::uint32_t length = sizeof info;
  return program && bpf_obj_get_info_by_fd(program.get(), &info, &length) == 0 ? info.name : "";
}

std::uint32_t map_id(const std::string& pin) {
  const UniqueFd map(bpf_obj_get(pin.c_str()));
  bpf_map_info info{};
  std::uint32_t length = sizeof info;
  return map && bpf_obj_get_info_by_fd(map.get(), &info, &length) == 0 ? info.id : 0;
}

class FilterTest : public test::Sandboxed {
 protected:
  static Filter open(const std::string& node = "edge-1") {
    auto filter = Filter::open(node);
    EXPECT_TRUE(filter) << filter.error().text();
    return std::move(filter.value());
  }
  void TearDown() override {
    if (std::filesystem::exists(kRoot)) {
      EXPECT_TRUE(open().close());
    }
    EXPECT_FALSE(std::filesystem::exists(kRoot)) << "a clean stop leaves pins";
  }
};

/// Numbers by "address port protocol" as the pinned map has them; address entries as "address".
std::map<std::string, std::uint32_t> pinned_services() {
  std::map<std::string, std::uint32_t> found;
  const UniqueFd map(bpf_obj_get("/sys/fs/bpf/sluice/edge-1/sluice_services"));
  sluice_xdp_service_key key{};
  const void* previous = nullptr;
  while (bpf_map_get_next_key(map.get(), previous, &key) == 0) {
    sluice_xdp_service value{};
    EXPECT_EQ(bpf_map_lookup_elem(map.get(), &key, &value), 0);
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), key.address, bytes.size());
    std::string text = IpAddress::v4(bytes).text();
    if (key.protocol != 0) text += fmt::format(" {} {}", __builtin_bswap16(key.port), key.protocol);
    found[text] = value.number;
    previous = &key;
  }
  return found;
}

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
    std::array<std::uint32_t, 8> ids{};
    bpf_prog_info info{};
    info.nr_map_ids = ids.size();
    info.map_ids = reinterpret_cast<std::uintptr_t>(ids.data());
    std::uint32_t length = sizeof info;
    ASSERT_EQ(bpf_obj_get_info_by_fd(program.get(), &info, &length), 0);
    used.insert(ids.begin(), ids.begin() + info.nr_map_ids);
  }
  EXPECT_EQ(used.size(), 5U) << "one service map, two socket maps, two counter maps";
}

TEST_F(FilterTest, AForeignProgramIsRefusedByItsName) {
  const test::Cable cable("lb0", "lb1");
  const auto index = static_cast<int>(::if_nametoindex("lb0"));
  const UniqueFd foreign = foreign_program("somebody_elses");
  ASSERT_TRUE(foreign) << std::strerror(errno);
  for (const auto& [flags, remedy] :
       {std::pair{XDP_FLAGS_DRV_MODE, "`ip link set dev lb0 xdp off`"},
        std::pair{XDP_FLAGS_SKB_MODE, "`ip link set dev lb0 xdpgeneric off`"}}) {
    ASSERT_EQ(bpf_xdp_attach(index, foreign.get(), flags, nullptr), 0);
    Filter filter = open();
    const auto report = filter.attach("lb0", Mode::kAuto);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Errc::kConflict);
    EXPECT_THAT(report.error().text(),
                AllOf(HasSubstr("interface lb0: carries XDP program 'somebody_elses' (id "),
                      HasSubstr(remedy)));
    EXPECT_EQ(name_on("lb0"), "somebody_elses");
    EXPECT_FALSE(std::filesystem::exists(std::string(kNode) + "/lb0"));
    ASSERT_EQ(bpf_xdp_detach(index, flags, nullptr), 0);
    EXPECT_TRUE(filter.attach("lb0", Mode::kAuto)) << "once detached, there is nothing to refuse";
    ASSERT_TRUE(filter.close());
  }
}

TEST_F(FilterTest, AForeignLinkIsRefusedWithTheCommandThatDetachesLinks) {
  const test::Cable cable("lb0", "lb1");
  const UniqueFd foreign = foreign_program("somebody_elses");
  const UniqueFd link(
      bpf_link_create(foreign.get(), static_cast<int>(::if_nametoindex("lb0")), BPF_XDP, nullptr));
  ASSERT_TRUE(link);
  Filter filter = open();
  const auto report = filter.attach("lb0", Mode::kGeneric);
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().text(),
              AllOf(HasSubstr("'somebody_elses'"), HasSubstr("`bpftool link detach id ")));
}

TEST_F(FilterTest, WhileOursIsThereNobodyElseReplacesOrDetachesIt) {
  const test::Cable cable("lb0", "lb1");
  Filter filter = open();
  ASSERT_TRUE(filter.attach("lb0", Mode::kAuto));
  const auto index = static_cast<int>(::if_nametoindex("lb0"));
  const UniqueFd foreign = foreign_program("somebody_elses");
  EXPECT_EQ(bpf_xdp_attach(index, foreign.get(), 0, nullptr), -EBUSY);
  EXPECT_EQ(bpf_xdp_detach(index, XDP_FLAGS_UPDATE_IF_NOEXIST, nullptr), -EBUSY)
      << "this is how DPDK's driver closes a port";
  EXPECT_EQ(name_on("lb0"), "xsk_def_prog");
}

TEST_F(FilterTest, ModesAreAsAskedAndAChangeOfModeReplacesThePredecessors) {
  const test::Cable cable("lb0", "lb1");
  for (const auto& [mode, flags] : {std::pair{Mode::kGeneric, XDP_FLAGS_SKB_MODE},
                                    std::pair{Mode::kNative, XDP_FLAGS_DRV_MODE}}) {
    Filter filter = open();
    const auto report = filter.attach("lb0", mode);
    ASSERT_TRUE(report) << report.error().text();
    EXPECT_EQ(report->mode, mode);
    EXPECT_NE(program_on("lb0", flags), 0U) << name(mode);
  }
}

TEST_F(FilterTest, WhereTheDriverHasNoNativeModeAutoTakesGenericAndSaysSo) {
  ASSERT_TRUE(shell("ip link add lbbr type bridge && ip link set lbbr up"));
  Filter filter = open();
  const auto native = filter.attach("lbbr", Mode::kNative);
  ASSERT_FALSE(native);
  EXPECT_EQ(native.error().code, Errc::kUnsupported);
  const auto report = filter.attach("lbbr", Mode::kAuto);
  EXPECT_TRUE(shell("ip link del lbbr"));
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->mode, Mode::kGeneric);
  EXPECT_THAT(report->note, HasSubstr("native XDP refused"));
}

TEST_F(FilterTest, TheServiceMapEqualsTheGivenSetAndOneAddressEntryEach) {
  Filter filter = open();
  ASSERT_TRUE(filter.set_services(std::array{service("203.0.113.10", 443, 6, 1),
                                             service("203.0.113.10", 53, 17, 2),
                                             service("203.0.113.20", 0, 6, 3)}));
  using Map = std::map<std::string, std::uint32_t>;
  EXPECT_EQ(pinned_services(), (Map{{"203.0.113.10 443 6", 1},
                                    {"203.0.113.10 53 17", 2},
                                    {"203.0.113.20 0 6", 3},
                                    {"203.0.113.10", 0},
                                    {"203.0.113.20", 0}}));
  ASSERT_TRUE(filter.set_services(std::array{service("203.0.113.10", 443, 6, 9)}));
  EXPECT_EQ(pinned_services(), (Map{{"203.0.113.10 443 6", 9}, {"203.0.113.10", 0}}));
  ASSERT_TRUE(filter.set_services({}));
  EXPECT_EQ(pinned_services(), Map{});
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
  // The kernel runs the program on the kept service's packets while sets come and go around it.
  const test::Cable cable("lb0", "lb1");
  Filter filter = open();
  const std::vector<ServiceEntry> kept = {service("203.0.113.10", 443, 6, 1)};
  ASSERT_TRUE(filter.set_services(kept));
  const UniqueFd map(bpf_obj_get("/sys/fs/bpf/sluice/edge-1/sluice_services"));
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // should the parent fail before it says stop
    sluice_xdp_service_key key{};
    key.address[0] = kept[0].address.words()[0];
    key.port = __builtin_bswap16(443);
    key.protocol = 6;
    key.family = 4;
    sluice_xdp_service value{};
    // Ends when the parent adds the entry that says so.
    sluice_xdp_service_key stop = key;
    stop.port = 0xffff;
    unsigned missing = 0;
    while (bpf_map_lookup_elem(map.get(), &stop, &value) != 0)
      if (bpf_map_lookup_elem(map.get(), &key, &value) != 0) ++missing;
    ::_exit(missing == 0 ? 0 : 1);
  }
  ASSERT_GT(child, 0);
  for (std::uint16_t round = 1; round <= 300; ++round) {
    std::vector<ServiceEntry> next = kept;
    next[0].number = round;
    for (std::uint16_t i = 0; i < 20; ++i)
      next.push_back(service("203.0.113.11", static_cast<std::uint16_t>(round + i), 6, i));
    ASSERT_TRUE(filter.set_services(next));
  }
  auto last = kept;
  last.push_back(service("203.0.113.10", 0xffff, 6, 0));
  ASSERT_TRUE(filter.set_services(last));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "the kept service was missing at some moment";
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

TEST_F(FilterTest, PinnedMapsOfAnotherLayoutAreReplacedAndNotMisread) {
  { ASSERT_TRUE(open().set_services(std::array{service("203.0.113.10", 443, 6, 7)})); }
  const auto old = map_id(std::string(kNode) + "/sluice_services");
  const UniqueFd settings(bpf_obj_get("/sys/fs/bpf/sluice/edge-1/sluice_settings"));
  const std::uint32_t first = 0;
  sluice_xdp_settings other{};
  other.layout = SLUICE_XDP_LAYOUT + 1;
  ASSERT_EQ(bpf_map_update_elem(settings.get(), &first, &other, 0), 0);

  Filter filter = open();
  EXPECT_FALSE(filter.took_over());
  EXPECT_NE(map_id(std::string(kNode) + "/sluice_services"), old);
  EXPECT_TRUE(pinned_services().empty());
}

TEST_F(FilterTest, WhateverElseIsPinnedUnderAMapsNameIsReplaced) {
  const test::Cable cable("lb0", "lb1");
  { (void)open(); }
  const std::string services = std::string(kNode) + "/sluice_services";
  const std::string sockets = std::string(kNode) + "/lb0/xsks_map";
  std::filesystem::remove(services);
  std::filesystem::create_directory(std::string(kNode) + "/lb0");
  const UniqueFd program = foreign_program("not_a_map");
  ASSERT_EQ(bpf_obj_pin(program.get(), services.c_str()), 0);
  const UniqueFd small(bpf_map_create(BPF_MAP_TYPE_ARRAY, "xsks_map", 4, 4, 1, nullptr));
  ASSERT_EQ(bpf_obj_pin(small.get(), sockets.c_str()), 0);
  const UniqueFd map_for_link(bpf_map_create(BPF_MAP_TYPE_ARRAY, "link", 4, 4, 1, nullptr));
  ASSERT_EQ(bpf_obj_pin(map_for_link.get(), (std::string(kNode) + "/lb0/link").c_str()), 0);

  Filter filter = open();
  EXPECT_FALSE(filter.took_over());
  EXPECT_TRUE(filter.set_services(std::array{service("203.0.113.10", 443, 6, 7)}));
  const auto report = filter.attach("lb0", Mode::kAuto);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_TRUE(filter.promote("lb0"));
}

TEST_F(FilterTest, ADirectoryWhereAMapBelongsIsNamedAndLeftAlone) {
  const std::string services = std::string(kNode) + "/sluice_services";
  std::filesystem::create_directories(services);
  const auto filter = Filter::open("edge-1");
  ASSERT_FALSE(filter);
  EXPECT_EQ(filter.error().code, Errc::kConflict);
  EXPECT_EQ(filter.error().where, services);
  std::filesystem::remove(services);
}

TEST_F(FilterTest, ACleanStopLeavesWhatOthersPinned) {
  Filter filter = open();
  const std::string theirs = std::string(kNode) + "/theirs";
  const UniqueFd program = foreign_program("theirs");
  ASSERT_EQ(bpf_obj_pin(program.get(), theirs.c_str()), 0);
  EXPECT_TRUE(filter.close());
  EXPECT_TRUE(std::filesystem::exists(theirs));
  EXPECT_FALSE(std::filesystem::exists(std::string(kNode) + "/sluice_services"));
  std::filesystem::remove(theirs);
  std::filesystem::remove(kNode);
  std::filesystem::remove(kRoot);
}

TEST_F(FilterTest, ANodeIsRunByOneProcessAtATime) {
  const Filter filter = open();
  const auto second = Filter::open("edge-1");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kConflict);
  EXPECT_TRUE(open("edge-2").close()) << "another node is another matter";
}

TEST_F(FilterTest, AnInterfaceThatIsNotThereOrVanishesIsAnErrorAndNoMore) {
  Filter filter = open();
  const auto absent = filter.attach("lb9", Mode::kAuto);
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, Errc::kNotFound);
  EXPECT_EQ(absent.error().where, "interface lb9");
  {
    const test::Cable cable("lb0", "lb1");
    ASSERT_TRUE(filter.attach("lb0", Mode::kAuto));
  }
  const auto gone = filter.promote("lb0");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, Errc::kNotFound);
  EXPECT_TRUE(filter.statistics("lb0")) << "the counters are still there to be read";
  const test::Cable again("lb0", "lb1");
  const auto report = filter.attach("lb0", Mode::kAuto);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_FALSE(report->took_over) << "the interface is a new one of the old name";
  EXPECT_TRUE(filter.detach("lb0"));
  EXPECT_EQ(program_on("lb0"), 0U);
}

TEST_F(FilterTest, NamesWithDotsWorkThoughTheBpfFileSystemHasNone) {
  const test::Cable cable("lb0.100", "lb1");
  Filter filter = open("edge-1.example.org");
  ASSERT_TRUE(filter.attach("lb0.100", Mode::kAuto));
  EXPECT_TRUE(std::filesystem::exists("/sys/fs/bpf/sluice/edge-1%2eexample%2eorg/lb0%2e100/link"));
  EXPECT_TRUE(filter.close());
}

TEST(FilterNames, WhatCannotNameADirectoryIsRefused) {
  for (const std::string bad : {"", ".", "..", "a/b", "a b", "\xc3\xa9"})
    EXPECT_FALSE(check_node_name(bad)) << bad;
  EXPECT_FALSE(check_node_name(std::string(65, 'a')));
  for (const std::string good : {"a", "edge-1", "A.b_c-9", "..."})
    EXPECT_TRUE(check_node_name(good)) << good;
  EXPECT_TRUE(check_node_name(std::string(64, 'a')));
}

TEST(FilterNames, APinNameGivesItsNameBack) {
  for (const std::string each : {"lb0", "eth0.100", "%2e", "a%b", "...", "%252e"}) {
    EXPECT_EQ(name_of_pin(pin_name(each)), each);
    EXPECT_EQ(pin_name(each).find('.'), std::string::npos);
  }
}

TEST(FilterRoot, ADirectoryThatIsNotOnABpfFileSystemIsRefusedWithTheRemedy) {
  const auto filter = Filter::open("edge-1", "/tmp/sluice-no-bpf");
  ASSERT_FALSE(filter);
  EXPECT_EQ(filter.error().code, Errc::kInvalid);
  EXPECT_THAT(filter.error().text(), HasSubstr("mount -t bpf"));
}

}  // namespace
}  // namespace sluice::xdp
