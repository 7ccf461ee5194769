// SPDX-License-Identifier: Apache-2.0
#include "network_namespace.hpp"

#include "base/unique_fd.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace sluice::netlink {
namespace {

// Children of this thread start in the namespace that the thread is in.
void run(const std::string& command) { EXPECT_EQ(std::system(command.c_str()), 0) << command; }

UniqueFd this_namespace() {
  return UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
}

// An IPv6 address is of use at once instead of after a second.
std::string no_search_for_duplicates(const std::string& interface) {
  return " net.ipv6.conf." + interface + ".accept_dad=0";
}

// ARP and neighbour discovery give up after some milliseconds instead of seconds, so that tests do
// not wait for it.
std::string fast_arp(const std::string& interface) {
  std::string command = "sysctl -q";
  for (const std::string family : {"ipv4", "ipv6"}) {
    const std::string of = " net." + family + ".neigh." + interface;
    command += of + ".retrans_time_ms=20" + of + ".mcast_solicit=2" + of + ".ucast_solicit=2" + of +
               ".delay_first_probe_time=0";
  }
  return command + no_search_for_duplicates(interface);
}

}  // namespace

void Lab::ours(const std::string& command) const { run(command); }

void Lab::theirs(const std::string& command) const {
  in_theirs([&] { run(command); });
}

void Lab::in_theirs(const std::function<void()>& body) const {
  ASSERT_EQ(::setns(theirs_, CLONE_NEWNET), 0);
  body();
  ASSERT_EQ(::setns(ours_, CLONE_NEWNET), 0);
}

std::string Lab::output(const std::string& command) const {
  std::string text;
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  std::array<char, 4096> chunk;
  while (const std::size_t n = std::fread(chunk.data(), 1, chunk.size(), pipe))
    text.append(chunk.data(), n);
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return text;
}

std::string in_namespaces(const std::function<void(const Lab&)>& body) {
  std::string problem;
  std::thread([&] {
    // Per thread: the rest of the test program stays where it is.
    if (::unshare(CLONE_NEWNET) != 0) {
      problem = std::string("needs root to make network namespaces: ") + std::strerror(errno);
      return;
    }
    const UniqueFd theirs = this_namespace();
    run("ip link set lo up");
    if (::unshare(CLONE_NEWNET) != 0) {
      problem = std::string("cannot make a second network namespace: ") + std::strerror(errno);
      return;
    }
    const UniqueFd ours = this_namespace();
    const Lab lab(ours.get(), theirs.get());
    lab.ours("ip link set lo up");
    // A descriptor inherited by the command names the other namespace without a mount.
    const UniqueFd inherited(::dup(theirs.get()));
    lab.ours("ip link add near type veth peer name far netns /proc/self/fd/" +
             std::to_string(inherited.get()));
    lab.ours(fast_arp("near") +
             " && ip addr add 10.0.0.1/24 dev near && "
             "ip addr add 2001:db8::1/64 dev near && ip link set near up");
    lab.theirs("sysctl -q" + no_search_for_duplicates("far") +
               " && ip addr add 2001:db8::2/64 dev far && "
               "ip link set far address 02:00:00:00:00:02 && ip addr add 10.0.0.2/24 dev far && "
               "ip link set far up");
    body(lab);
  }).join();
  return problem;
}

}  // namespace sluice::netlink
