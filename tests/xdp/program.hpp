// SPDX-License-Identifier: Apache-2.0
// What the tests of the filter's duties share: the program without a loader, run frame by frame.
//
// Threads: one.
#pragma once

#include "support/packet.hpp"
#include "xdp/filter.skel.h"
#include "xdp/frames.hpp"
#include "xdp/layout.h"
#include "xdp/sandbox.hpp"
#include "xdp/services.hpp"

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <span>

namespace sluice::xdp {

using sluice::test::Bytes;
using sluice::test::Packet;

/// What became of a frame.
struct Outcome {
  std::uint32_t stat = SLUICE_XDP_STATS;  ///< The one counter that moved.
  std::uint32_t action = 0;               ///< XDP_PASS, XDP_REDIRECT, ...
  Bytes frame;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

inline std::ostream& operator<<(std::ostream& to, const Outcome& o) {
  return to << "counter " << o.stat << ", action " << o.action << ", " << o.frame.size()
            << " bytes";
}

/// The program with a socket for the worker, and no services yet.
class ProgramTest : public test::Sandboxed {
 protected:
  void SetUp() override {
    Sandboxed::SetUp();
    if (IsSkipped()) return;
    object_.reset(filter_bpf__open_and_load());
    ASSERT_NE(object_, nullptr) << "the kernel refuses the program";
    const std::uint32_t queue = 0;
    const int fd = socket_.fd();
    ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(object_->maps.xsks_map), &queue, &fd, 0), 0)
        << std::strerror(errno);
  }

  void serve(std::span<const ServiceEntry> services, std::span<const NatEntry> nat = {}) {
    const auto filled =
        make_service_map_equal(bpf_map__fd(object_->maps.sluice_services), services, nat);
    ASSERT_TRUE(filled) << filled.error().text();
  }
  void set(const sluice_xdp_settings& settings) const {
    const std::uint32_t first = 0;
    ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(object_->maps.sluice_settings), &first, &settings, 0),
              0);
  }

  /// Runs one frame; it must be in one counter.
  Outcome judge(const Bytes& frame) {
    const auto before = counts();
    const auto ran = test::run(bpf_program__fd(object_->progs.sluice_filter), frame);
    const auto after = counts();
    EXPECT_EQ(ran.error, 0) << std::strerror(-ran.error);
    Outcome outcome{SLUICE_XDP_STATS, ran.action, ran.frame};
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < after.size(); ++i) {
      if (after[i] != before[i]) outcome.stat = i;
      sum += after[i] - before[i];
    }
    EXPECT_EQ(sum, 1U) << "a frame is counted once";
    return outcome;
  }

  struct Unload {
    void operator()(filter_bpf* object) const { filter_bpf__destroy(object); }
  };
  std::unique_ptr<filter_bpf, Unload> object_;

 private:
  [[nodiscard]] std::array<std::uint64_t, SLUICE_XDP_STATS> counts() const {
    std::array<std::uint64_t, SLUICE_XDP_STATS> all{};
    for (std::uint32_t i = 0; i < all.size(); ++i)
      all[i] = test::sum_of(bpf_map__fd(object_->maps.sluice_stats), i, sizeof(sluice_xdp_count));
    return all;
  }
  test::MapSocket socket_;
};

/// A service of the tests' addresses that takes what `takes` says.
inline ServiceEntry entry(const char* address, std::uint16_t port, std::uint8_t protocol,
                          Takes takes = Takes::kAll, bool silent = false) {
  return {IpAddress::parse(address).value(), port, protocol, 1, takes, silent};
}

/// The first `length` bytes of a frame.
inline Bytes cut(const Bytes& frame, std::size_t length) {
  return {frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(length)};
}

/// Uniform 32-bit numbers from a fixed seed.
using Random = std::independent_bits_engine<std::mt19937, 32, std::uint32_t>;

/// One to three bytes from the Ethernet type on are made anything.
inline Bytes damaged(Bytes frame, Random& random) {
  for (unsigned n = random() % 3; n <= 2; ++n)
    frame[12 + random() % std::min<std::size_t>(frame.size() - 12, 110)] =
        static_cast<std::byte>(random() & 0xffU);
  return frame;
}

}  // namespace sluice::xdp
