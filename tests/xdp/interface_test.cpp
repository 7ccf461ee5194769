// SPDX-License-Identifier: Apache-2.0
// lib/xdp/interface.hpp: other programs, modes, and interfaces that come and go.
#include "xdp/node.hpp"

#include <gmock/gmock.h>

#include <cstring>
#include <utility>

namespace sluice::xdp {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using InterfaceTest = FilterTest;

TEST_F(InterfaceTest, AForeignProgramIsRefusedByItsName) {
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

TEST_F(InterfaceTest, AForeignLinkIsRefusedWithTheCommandThatDetachesLinks) {
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

TEST_F(InterfaceTest, WhileOursIsThereNobodyElseReplacesOrDetachesIt) {
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

TEST_F(InterfaceTest, ModesAreAsAskedAndAChangeOfModeReplacesThePredecessors) {
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

TEST_F(InterfaceTest, WhereTheDriverHasNoNativeModeAutoTakesGenericAndSaysSo) {
  ASSERT_TRUE(test::shell("ip link add lbbr type bridge && ip link set lbbr up"));
  Filter filter = open();
  const auto native = filter.attach("lbbr", Mode::kNative);
  ASSERT_FALSE(native);
  EXPECT_EQ(native.error().code, Errc::kUnsupported);
  const auto report = filter.attach("lbbr", Mode::kAuto);
  EXPECT_TRUE(test::shell("ip link del lbbr"));
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->mode, Mode::kGeneric);
  EXPECT_THAT(report->note, HasSubstr("native XDP refused"));
}

TEST_F(InterfaceTest, AnInterfaceThatIsNotThereOrVanishesIsAnErrorAndNoMore) {
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

}  // namespace
}  // namespace sluice::xdp
