// SPDX-License-Identifier: Apache-2.0
#include "xdp/sandbox.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace sluice::xdp::test {
namespace {

std::string because(std::string_view what) {
  return std::string(what) + ": " + std::strerror(errno);
}

std::optional<std::string> enter() {
  if (::geteuid() != 0) return "needs root to load BPF programs";
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) return because("cannot make namespaces");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return because("cannot make mounts private");
  if (::mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700") != 0)
    return because("cannot mount a BPF file system");
  if (::mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") != 0)  // DPDK's run files
    return because("cannot mount a tmpfs");
  // Router solicitations and their like would be in the counters.
  (void)shell("sysctl -qw net.ipv6.conf.default.disable_ipv6=1 2>/dev/null");
  const UniqueFd map(bpf_map_create(BPF_MAP_TYPE_XSKMAP, "probe", 4, 4, 1, nullptr));
  if (!map) return because("the kernel makes no AF_XDP socket map");
  return std::nullopt;
}

}  // namespace

const std::optional<std::string>& enter_sandbox() {
  static const std::optional<std::string> obstacle = enter();
  return obstacle;
}

bool shell(const std::string& command) {
  // NOLINTNEXTLINE(cert-env33-c): a test's own fixed commands
  return std::system(command.c_str()) == 0;
}

std::string output_of(const std::string& command) {
  std::string text;
  // NOLINTNEXTLINE(cert-env33-c): a test's own fixed commands
  std::FILE* output = ::popen((command + " 2>&1").c_str(), "r");
  if (output == nullptr) return because(command);
  char part[4096];
  while (const std::size_t length = std::fread(part, 1, sizeof part, output))
    text.append(part, length);
  ::pclose(output);
  return text;
}

Cable::Cable(std::string left, std::string right, unsigned queues) : left_(std::move(left)) {
  const std::string shape =
      " numrxqueues " + std::to_string(queues) + " numtxqueues " + std::to_string(queues);
  EXPECT_TRUE(shell("ip link add " + left_ + shape + " type veth peer name " + right + shape));
  for (const auto& end : {left_, right}) EXPECT_TRUE(shell("ip link set " + end + " up"));
}

Cable::~Cable() { (void)shell("ip link del " + left_ + " 2>/dev/null"); }

bool wait_until(const std::function<bool()>& done, std::chrono::seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

Watch::Watch(const std::function<bool()>& holds) {
  int stop[2];
  int begun[2];
  if (::pipe(stop) != 0 || ::pipe(begun) != 0) return;
  child_ = ::fork();
  if (child_ == 0) {
    ::close(stop[1]);
    pollfd end{stop[0], POLLIN, 0};
    bool held = holds();
    held = ::write(begun[1], "", 1) == 1 && held;
    while (held && ::poll(&end, 1, 0) == 0) held = holds();
    ::_exit(held ? 0 : 1);
  }
  ::close(stop[0]);
  ::close(begun[1]);
  stop_ = UniqueFd(stop[1]);
  const UniqueFd first(begun[0]);
  char byte = 0;
  EXPECT_EQ(::read(first.get(), &byte, 1), 1);
}

bool Watch::held() {
  stop_.reset();
  int status = 1;
  if (child_ > 0) held_ = ::waitpid(child_, &status, 0) == child_ && status == 0;
  child_ = -1;
  return held_;
}

RawSocket::RawSocket(const std::string& interface)
    : fd_(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, __builtin_bswap16(ETH_P_ALL))) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = __builtin_bswap16(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0)
      << because(interface);
}

bool RawSocket::send(std::span<const std::byte> frame) const {
  return ::send(fd_.get(), frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size());
}

unsigned RawSocket::received(const std::function<bool(std::span<const std::byte>)>& wanted) {
  std::byte frame[2048];
  for (;;) {
    const ssize_t length = ::recv(fd_.get(), frame, sizeof frame, 0);
    if (length < 0) return count_;
    if (wanted({frame, static_cast<std::size_t>(length)})) ++count_;
  }
}

MapSocket::MapSocket() : fd_(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)), memory_(4U * 4096) {
  const auto page = reinterpret_cast<std::uintptr_t>(memory_.data() + 4095) & ~std::uintptr_t{4095};
  xdp_umem_reg memory{};
  memory.addr = page;
  memory.len = 2U * 4096;
  memory.chunk_size = 4096;
  const std::uint32_t entries = 8;
  for (const int ring : {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING})
    if ((ring == XDP_UMEM_FILL_RING &&
         ::setsockopt(fd_.get(), SOL_XDP, XDP_UMEM_REG, &memory, sizeof memory) != 0) ||
        ::setsockopt(fd_.get(), SOL_XDP, ring, &entries, sizeof entries) != 0)
      fd_.reset();
}

Run run(int program, std::span<const std::byte> frame) {
  Run result;
  result.frame.resize(frame.size() + 256);
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.data_in = frame.data();
  options.data_out = result.frame.data();
  options.data_size_in = static_cast<__u32>(frame.size());
  options.data_size_out = static_cast<__u32>(result.frame.size());
  options.repeat = 1;
  result.error = bpf_prog_test_run_opts(program, &options);
  result.action = options.retval;
  result.frame.resize(result.error == 0 ? options.data_size_out : 0);
  return result;
}

std::uint64_t sum_of(int map, std::uint32_t index, std::size_t value_size) {
  const auto cpus = static_cast<std::size_t>(libbpf_num_possible_cpus());
  std::vector<std::byte> values(cpus * value_size);
  EXPECT_EQ(bpf_map_lookup_elem(map, &index, values.data()), 0) << because("counter");
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < cpus; ++i) {
    std::uint64_t one = 0;
    std::memcpy(&one, values.data() + i * value_size, sizeof one);
    sum += one;
  }
  return sum;
}

}  // namespace sluice::xdp::test
