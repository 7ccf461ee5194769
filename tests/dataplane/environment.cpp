// SPDX-License-Identifier: Apache-2.0
// DPDK for the tests of the data path: small, once a process, without root, huge pages or network.
#include "dataplane/eal.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace sluice::dataplane {
namespace {

class Dpdk : public testing::Environment {
 public:
  void SetUp() override {
    auto eal = Eal::start_small(256);  // ports take 20 MiB each for packet buffers, workers 40
    ASSERT_TRUE(eal) << eal.error().text();
    eal_.emplace(std::move(*eal));
  }
  void TearDown() override { eal_.reset(); }

 private:
  std::optional<Eal> eal_;
};

const auto* const kDpdk = testing::AddGlobalTestEnvironment(new Dpdk);

}  // namespace
}  // namespace sluice::dataplane
