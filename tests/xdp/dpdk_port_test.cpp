// SPDX-License-Identifier: Apache-2.0
// The filter and DPDK's af_xdp driver on one interface: the driver runs in dpdk-testpmd, a process
// of its own, so that it can be killed.
#include "support/packet.hpp"
#include "xdp/filter.hpp"
#include "xdp/layout.h"
#include "xdp/sandbox.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <regex>
#include <string>
#include <vector>

namespace sluice::xdp {
namespace {

using sluice::test::Bytes;
using sluice::test::Packet;

/// dpdk-testpmd that receives and drops, on both queues of lb0, one virtual device each.
class Testpmd {
 public:
  Testpmd() {
    int in[2];
    int out[2];
    if (::pipe(in) != 0 || ::pipe(out) != 0) return;
    const std::string cpu = std::to_string(::sched_getcpu());
    const std::string cores = "0@" + cpu + ",1@" + cpu;
    child_ = ::fork();
    if (child_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      ::dup2(out[1], 2);
      for (const int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
      ::execlp("stdbuf", "stdbuf", "-oL", "dpdk-testpmd", "--lcores", cores.c_str(), "--no-huge",
               "-m", "64", "--no-pci", "--no-telemetry", "--file-prefix", "sluice-xdp-test",
               "--vdev", "net_af_xdp0,iface=lb0,start_queue=0", "--vdev",
               "net_af_xdp1,iface=lb0,start_queue=1", "--", "-i", "--forward-mode=rxonly",
               "--auto-start", "--total-num-mbufs=10240", nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    in_ = UniqueFd(in[1]);
    out_ = UniqueFd(out[0]);
  }
  Testpmd(const Testpmd&) = delete;
  Testpmd& operator=(const Testpmd&) = delete;
  ~Testpmd() { kill(); }

  /// Waits for the prompt. @return false when it ended instead.
  [[nodiscard]] bool ready() { return read_until("testpmd> "); }
  [[nodiscard]] const std::string& output() const { return text_; }

  /// Packets received, all ports added up.
  [[nodiscard]] std::uint64_t received() {
    text_.clear();
    write("show port stats all\n");
    const std::regex line("RX-packets: ([0-9]+) [^]*?Tx-bps: ");  // of one port, whole
    for (;;) {
      std::uint64_t sum = 0;
      const std::sregex_iterator first(text_.begin(), text_.end(), line);
      for (auto at = first; at != std::sregex_iterator(); ++at) sum += std::stoull((*at)[1]);
      if (std::distance(first, std::sregex_iterator()) == 2) return sum;
      if (!more()) break;
    }
    ADD_FAILURE() << "no counters of two ports: " << text_;
    return 0;
  }

  void quit() {
    write("quit\n");
    while (more()) {
    }
    reap();
  }
  void kill() {
    if (child_ > 0) ::kill(child_, SIGKILL);
    reap();
  }

 private:
  void write(std::string_view command) {
    EXPECT_EQ(::write(in_.get(), command.data(), command.size()),
              static_cast<ssize_t>(command.size()));
  }
  bool more() {
    pollfd ready{out_.get(), POLLIN, 0};
    char part[4096];
    if (::poll(&ready, 1, 20000) <= 0) return false;
    const ssize_t length = ::read(out_.get(), part, sizeof part);
    if (length <= 0) return false;
    text_.append(part, static_cast<std::size_t>(length));
    return true;
  }
  bool read_until(std::string_view what) {
    while (text_.find(what) == text_.npos)
      if (!more()) return false;
    return true;
  }
  void reap() {
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
    child_ = -1;
  }

  pid_t child_ = -1;
  UniqueFd in_;
  UniqueFd out_;
  std::string text_;
};

constexpr const char* kPortVip = "203.0.113.10";

Bytes frame(std::uint16_t source_port, std::uint16_t port) {
  return Packet().eth("ff:ff:ff:ff:ff:ff").ipv4("198.51.100.1", kPortVip).tcp(source_port, port);
}

bool goes_to(std::span<const std::byte> received, std::uint16_t port) {
  return received.size() >= 54 && received[36] == static_cast<std::byte>(port >> 8U) &&
         received[37] == static_cast<std::byte>(port & 0xffU);
}

class DpdkPort : public test::Sandboxed {
 protected:
  void SetUp() override {
    Sandboxed::SetUp();
    if (IsSkipped()) return;
    if (!test::shell("command -v dpdk-testpmd >/dev/null"))
      GTEST_SKIP() << "needs dpdk-testpmd (package dpdk-dev)";
  }
  static std::uint64_t count(const Filter& filter, sluice_xdp_stat stat) {
    return filter.statistics("lb0").value()[stat].packets;
  }
};

class DpdkPortInMode : public DpdkPort, public testing::WithParamInterface<Mode> {};

TEST_P(DpdkPortInMode, ServicePacketsReachItsSocketsAndAllOthersReachLinux) {
  const test::Cable cable("lb0", "lb1", 2);
  Filter filter = Filter::open("edge-1").value();
  ASSERT_TRUE(
      filter.set_services(std::array{ServiceEntry{IpAddress::parse(kPortVip).value(), 443, 6, 1}}));
  const auto report = filter.attach("lb0", GetParam());
  ASSERT_TRUE(report) << report.error().text();
  Testpmd worker;
  ASSERT_TRUE(worker.ready()) << worker.output();
  ASSERT_TRUE(filter.promote("lb0"));

  const test::RawSocket peer("lb1");
  test::RawSocket linux_side("lb0");
  for (std::uint16_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(peer.send(frame(static_cast<std::uint16_t>(1000 + i), 443)));
    ASSERT_TRUE(peer.send(frame(static_cast<std::uint16_t>(1000 + i), 22)));
  }
  EXPECT_TRUE(test::wait_until([&] { return worker.received() >= 200; }));
  EXPECT_TRUE(test::wait_until(
      [&] { return linux_side.received([](auto f) { return goes_to(f, 22); }) >= 200; }));
  EXPECT_EQ(worker.received(), 200U);
  EXPECT_EQ(count(filter, SLUICE_XDP_REDIRECT), 200U);
  EXPECT_EQ(count(filter, SLUICE_XDP_NO_SOCKET), 0U);

  worker.quit();  // the driver tries to detach the program of the interface as it closes
  test::RawSocket after("lb0");
  ASSERT_TRUE(peer.send(frame(1, 443)));
  EXPECT_TRUE(test::wait_until([&] { return count(filter, SLUICE_XDP_NO_SOCKET) == 1; }))
      << "the program is still there, its sockets are not";
  EXPECT_TRUE(test::wait_until(
      [&] { return after.received([](auto f) { return goes_to(f, 443); }) == 1; }));
  EXPECT_TRUE(filter.close());
}

INSTANTIATE_TEST_SUITE_P(Modes, DpdkPortInMode, testing::Values(Mode::kNative, Mode::kGeneric),
                         [](const auto& mode) { return std::string(name(mode.param)); });

TEST_F(DpdkPort, AfterAKillTheNextProcessGetsThePacketsByTheSameMaps) {
  const test::Cable cable("lb0", "lb1", 2);
  const std::array services{ServiceEntry{IpAddress::parse(kPortVip).value(), 443, 6, 1}};
  const test::RawSocket peer("lb1");
  {
    Filter killed = Filter::open("edge-1").value();
    ASSERT_TRUE(killed.set_services(services));
    ASSERT_TRUE(killed.attach("lb0", Mode::kAuto));
    Testpmd worker;
    ASSERT_TRUE(worker.ready()) << worker.output();
    ASSERT_TRUE(killed.promote("lb0"));
    worker.kill();
  }
  Filter filter = Filter::open("edge-1").value();
  EXPECT_TRUE(filter.took_over());
  ASSERT_TRUE(filter.attach("lb0", Mode::kAuto));
  // The kernel frees a killed process's queues from a work item, maybe a moment after the process:
  // until then bind() says that the device is busy, and testpmd gives up.
  std::unique_ptr<Testpmd> worker;
  ASSERT_TRUE(test::wait_until([&] {
    worker = std::make_unique<Testpmd>();
    return worker->ready();
  })) << worker->output();
  ASSERT_TRUE(filter.promote("lb0"));
  const auto before = count(filter, SLUICE_XDP_REDIRECT);
  for (std::uint16_t i = 0; i < 50; ++i) ASSERT_TRUE(peer.send(frame(i, 443)));
  EXPECT_TRUE(test::wait_until([&] { return worker->received() == 50; }));
  EXPECT_EQ(count(filter, SLUICE_XDP_REDIRECT) - before, 50U);
  worker->quit();
  EXPECT_TRUE(filter.close());
}

}  // namespace
}  // namespace sluice::xdp
