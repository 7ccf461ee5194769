// SPDX-License-Identifier: Apache-2.0
// A loader with its program on an interface, whose program is also run frame by frame.
//
// Threads: one.
#pragma once

#include "xdp/node.hpp"
#include "xdp/program.hpp"

#include <optional>

namespace sluice::xdp {

/// The filter on lb0, whose cable ends in lb1. No socket is there: what is for the worker passes.
class AttachedTest : public FilterTest {
 protected:
  void SetUp() override {
    FilterTest::SetUp();
    if (IsSkipped()) return;
    cable_.emplace("lb0", "lb1");
    filter_.emplace(open());
    const std::array services = {entry(test::kVip, 443, 6), entry(test::kVip, 53, 17),
                                 entry(test::kVip6, 443, 6), entry(test::kVip6, 53, 17)};
    const std::array nat = {NatEntry{IpAddress::parse(test::kNat).value(), 6}};
    ASSERT_TRUE(filter_->set_services(services, nat));
    ASSERT_TRUE(filter_->attach("lb0", Mode::kAuto));
    ASSERT_TRUE(filter_->promote("lb0"));
    program_ = UniqueFd(bpf_prog_get_fd_by_id(program_on("lb0")));
  }
  void TearDown() override {
    program_.reset();
    filter_.reset();
    FilterTest::TearDown();
    cable_.reset();
  }
  /// Runs a frame.
  test::Run run(const Bytes& frame) const {
    auto ran = test::run(program_.get(), frame);
    EXPECT_EQ(ran.error, 0) << std::strerror(-ran.error);
    return ran;
  }

  std::optional<test::Cable> cable_;
  std::optional<Filter> filter_;
  UniqueFd program_;
};

}  // namespace sluice::xdp
