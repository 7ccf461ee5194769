// SPDX-License-Identifier: Apache-2.0
// lib/xdp/filter.bpf.c, frame by frame, in the kernel by BPF_PROG_TEST_RUN.
#include "base/address.hpp"
#include "packet/parse.hpp"
#include "support/packet.hpp"
#include "xdp/filter.skel.h"
#include "xdp/frames.hpp"
#include "xdp/layout.h"
#include "xdp/sandbox.hpp"
#include "xdp/services.hpp"

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <algorithm>
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
using test::kVip;

/// The rule in the words of the worker: what parse_frame() says, and the services.
class Oracle {
 public:
  void serve(const char* address, std::uint16_t port, std::uint8_t protocol) {
    services_.push_back({IpAddress::parse(address).value(), port, protocol, 1});
    ports_.emplace(words(address), __builtin_bswap16(port), protocol);
    vips_.insert(words(address));
    fragments_.emplace(words(address), protocol);
  }
  void lend(const char* address, std::uint8_t protocol) {
    nat_.push_back({IpAddress::parse(address).value(), protocol});
    lent_.emplace(words(address), protocol);
    fragments_.emplace(words(address), protocol);
  }
  [[nodiscard]] std::uint32_t judge(const Bytes& frame) const {
    Parsed parsed;
    const Verdict verdict = parse_frame(frame, frame.size(), parsed);
    const FlowKey& key = parsed.key;
    Words to{};
    std::ranges::copy(key.destination, to.begin());
    if (verdict == Verdict::kHost || key.family == 0) return SLUICE_XDP_PASS;
    if (verdict != Verdict::kForward) {
      return knows(to) ? SLUICE_XDP_MALFORMED : SLUICE_XDP_PASS;
    }
    const bool options = key.protocol != wire::kIpProtoTcp && key.protocol != wire::kIpProtoUdp;
    if (parsed.kind == Kind::kLaterFragment && options)
      return knows(to) ? SLUICE_XDP_FRAGMENT : SLUICE_XDP_PASS;
    if (parsed.kind == Kind::kEcho)
      return vips_.contains(to) ? SLUICE_XDP_REDIRECT : SLUICE_XDP_PASS;
    if (parsed.fragmented)
      return fragments_.contains({to, key.protocol}) ? SLUICE_XDP_FRAGMENT : SLUICE_XDP_PASS;
    const bool ours = ports_.contains({to, key.destination_port, key.protocol}) ||
                      ports_.contains({to, 0, key.protocol}) || lent_.contains({to, key.protocol});
    return ours ? SLUICE_XDP_REDIRECT : SLUICE_XDP_PASS;
  }
  [[nodiscard]] const auto& services() const { return services_; }
  [[nodiscard]] const auto& nat() const { return nat_; }

 private:
  using Words = std::array<std::uint32_t, 4>;  // as in the key: no IPv4 address looks like IPv6's
  static Words words(const char* address) {
    Words r{};
    std::ranges::copy(IpAddress::parse(address).value().words(), r.begin());
    return r;
  }
  [[nodiscard]] bool knows(const Words& address) const {
    return std::ranges::any_of(fragments_,
                               [&](const auto& some) { return std::get<0>(some) == address; });
  }
  std::vector<ServiceEntry> services_;
  std::vector<NatEntry> nat_;
  std::set<std::tuple<Words, std::uint16_t, std::uint8_t>> ports_;
  std::set<Words> vips_;
  std::set<std::tuple<Words, std::uint8_t>> lent_;
  std::set<std::tuple<Words, std::uint8_t>> fragments_;
};

class FilterProgram : public test::Sandboxed {
 protected:
  void SetUp() override {
    Sandboxed::SetUp();
    if (IsSkipped()) return;
    object_.reset(filter_bpf__open_and_load());
    ASSERT_NE(object_, nullptr) << "the kernel refuses the program";
    for (const char* vip : {kVip, test::kVip6}) {
      rule_.serve(vip, 443, 6);
      rule_.serve(vip, 53, 17);
    }
    rule_.serve(test::kWholeVip, 0, 6);
    rule_.serve(test::kWholeVip6, 0, 17);
    rule_.lend(test::kNat, 6);
    rule_.lend(test::kNat, 17);
    rule_.lend(test::kNat6, 17);
    const auto filled = make_service_map_equal(bpf_map__fd(object_->maps.sluice_services),
                                               rule_.services(), rule_.nat());
    ASSERT_TRUE(filled) << filled.error().text();
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

TEST_F(FilterProgram, EveryKindOfFrameGoesWhereItBelongs) {
  put_socket();
  for (const auto& kind : test::frame_kinds()) {
    EXPECT_EQ(stat_of(kind.frame), kind.stat) << kind.name;
    EXPECT_EQ(rule_.judge(kind.frame), kind.stat) << kind.name;
  }
}

TEST_F(FilterProgram, BothEntriesDecideAlike) {
  put_socket();
  for (const auto& kind : test::frame_kinds())
    EXPECT_EQ(stat_of(kind.frame, object_->progs.xsk_def_prog), kind.stat) << kind.name;
}

TEST_F(FilterProgram, FramesCutAtEveryLengthAreJudgedAsTheWorkerJudgesThem) {
  put_socket();
  for (const auto& kind : test::frame_kinds()) {
    const Bytes whole = kind.frame;
    for (std::size_t length = 14; length < whole.size(); ++length) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      ASSERT_EQ(stat_of(cut), rule_.judge(cut)) << kind.name << " cut at " << length;
    }
  }
}

TEST_F(FilterProgram, DamagedFramesAreJudgedAsTheWorkerJudgesThem) {
  put_socket();
  std::independent_bits_engine<std::mt19937, 32, std::uint32_t> random(std::mt19937(1));
  const auto all = test::frame_kinds();
  std::array<unsigned, SLUICE_XDP_STATS> seen{};
  for (unsigned i = 0; i < 20000; ++i) {
    Bytes frame = all[random() % all.size()].frame;
    for (unsigned n = random() % 3; n <= 2; ++n)
      frame[12 + random() % std::min<std::size_t>(frame.size() - 12, 110)] =
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
  for (const auto& kind : test::frame_kinds())
    EXPECT_EQ(stat_of(kind.frame),
              kind.stat == SLUICE_XDP_PASS ? SLUICE_XDP_PASS : SLUICE_XDP_NO_SOCKET)
        << kind.name;
}

TEST_F(FilterProgram, BytesAreCountedFromTheEthernetHeaderOn) {
  put_socket();
  const Bytes frame = test::to(kVip).tcp(40000, 443).payload(100);
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
  EXPECT_EQ(names, (std::set<std::string>{"sluice_answers", "sluice_backends", "sluice_beats",
                                          "sluice_events", "sluice_signals", "sluice_deny4",
                                          "sluice_deny6", "sluice_services", "sluice_settings",
                                          "sluice_shared", "sluice_sources", "sluice_stats",
                                          "sluice_syn_slot", "xsks_map"}));
}

}  // namespace
}  // namespace sluice::xdp
