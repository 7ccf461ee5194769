// SPDX-License-Identifier: Apache-2.0
// The line of one verdict; whole replays are in tests/dataplane and tests/system.
#include "control/replay_command.hpp"

#include "control/model.hpp"
#include "control/sample.hpp"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

class VerdictLine : public testing::Test {
 protected:
  std::unique_ptr<Model> model = [] {
    auto c = sample(2);
    auto ports = egress_ports(c, {});
    return Model::create(std::move(c), {}, std::move(ports),
                         [] { return snapshot::Numbers::Time{}; })
        .value();
  }();
  const snapshot::Snapshot& now = model->snapshot();
};

TEST_F(VerdictLine, AForwardedPacketNamesServiceAndBackend) {
  const auto number = now.input.pools[0].backends[1].number;
  EXPECT_EQ(
      verdict_line({7, Verdict::kForward, &now.services[0], &now.backends[number], number}, now),
      R"({"index":7,"verdict":"forward","reason":"","service":"chat","backend":"gpu-2"})");
}

TEST_F(VerdictLine, APacketForTheHostNamesNeither) {
  EXPECT_EQ(verdict_line({0, Verdict::kHost, nullptr, nullptr, 0}, now),
            R"({"index":0,"verdict":"host","reason":"no_service","service":null,"backend":null})");
}

TEST_F(VerdictLine, ADropNamesItsReason) {
  EXPECT_EQ(
      verdict_line({1, Verdict::kNoBackend, &now.services[0], nullptr, 0}, now),
      R"({"index":1,"verdict":"drop","reason":"no_backend","service":"chat","backend":null})");
}

}  // namespace
}  // namespace sluice::control
