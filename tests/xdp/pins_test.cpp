// SPDX-License-Identifier: Apache-2.0
// lib/xdp/pins.hpp: names, maps that do not fit, what others pinned, one owner.
#include "xdp/pins.hpp"

#include "xdp/node.hpp"

#include <gmock/gmock.h>

#include <array>
#include <filesystem>
#include <string>

namespace sluice::xdp {
namespace {

using testing::HasSubstr;

using PinsTest = FilterTest;

TEST_F(PinsTest, PinnedMapsOfAnotherLayoutAreReplacedAndNotMisread) {
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

TEST_F(PinsTest, WhateverElseIsPinnedUnderAMapsNameIsReplaced) {
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

TEST_F(PinsTest, ADirectoryWhereAMapBelongsIsNamedAndLeftAlone) {
  const std::string services = std::string(kNode) + "/sluice_services";
  std::filesystem::create_directories(services);
  const auto filter = Filter::open("edge-1");
  ASSERT_FALSE(filter);
  EXPECT_EQ(filter.error().code, Errc::kConflict);
  EXPECT_EQ(filter.error().where, services);
  std::filesystem::remove(services);
}

TEST_F(PinsTest, ACleanStopLeavesWhatOthersPinned) {
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

TEST_F(PinsTest, ANodeIsRunByOneProcessAtATime) {
  const Filter filter = open();
  const auto second = Filter::open("edge-1");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kConflict);
  EXPECT_TRUE(open("edge-2").close()) << "another node is another matter";
}

TEST_F(PinsTest, NamesWithDotsWorkThoughTheBpfFileSystemHasNone) {
  const test::Cable cable("lb0.100", "lb1");
  Filter filter = open("edge-1.example.org");
  ASSERT_TRUE(filter.attach("lb0.100", Mode::kAuto));
  EXPECT_TRUE(std::filesystem::exists("/sys/fs/bpf/sluice/edge-1%2eexample%2eorg/lb0%2e100/link"));
  EXPECT_TRUE(filter.close());
}

TEST(PinNames, WhatCannotNameADirectoryIsRefused) {
  for (const std::string bad : {"", ".", "..", "a/b", "a b", "\xc3\xa9"})
    EXPECT_FALSE(check_node_name(bad)) << bad;
  EXPECT_FALSE(check_node_name(std::string(65, 'a')));
  for (const std::string good : {"a", "edge-1", "A.b_c-9", "..."})
    EXPECT_TRUE(check_node_name(good)) << good;
  EXPECT_TRUE(check_node_name(std::string(64, 'a')));
}

TEST(PinNames, APinNameGivesItsNameBack) {
  for (const std::string each : {"lb0", "eth0.100", "%2e", "a%b", "...", "%252e"}) {
    EXPECT_EQ(name_of_pin(pin_name(each)), each);
    EXPECT_EQ(pin_name(each).find('.'), std::string::npos);
  }
}

TEST(PinRoot, ADirectoryThatIsNotOnABpfFileSystemIsRefusedWithTheRemedy) {
  const auto filter = Filter::open("edge-1", "/tmp/sluice-no-bpf");
  ASSERT_FALSE(filter);
  EXPECT_EQ(filter.error().code, Errc::kInvalid);
  EXPECT_THAT(filter.error().text(), HasSubstr("mount -t bpf"));
}

}  // namespace
}  // namespace sluice::xdp
