// SPDX-License-Identifier: Apache-2.0
#include "doctor/checks.hpp"

#include "packet/headers.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sluice::doctor {
namespace {

constexpr unsigned kClientMtu = 1500;  // what clients send at most, unless told otherwise
constexpr unsigned kTcpAndIp = 40;     // of what remains for a segment
constexpr unsigned kGueHeader = 4;     // of variant 0

// One line for each pool with a tunnel: whether a client's full packet still fits.
void check_tunnel(const config::Configuration& configuration, const config::Pool& pool,
                  Findings& findings) {
  unsigned overhead = 0;
  for (const auto& backend : pool.backends)
    overhead = std::max(overhead, tunnel_overhead(pool, backend.address));
  if (overhead == 0 || configuration.ports.empty()) return;
  const auto& narrowest = *std::ranges::min_element(configuration.ports, {}, &config::Port::mtu);
  const auto check = "mtu " + pool.name;
  const auto needed = kClientMtu + overhead;
  if (narrowest.mtu >= needed)
    return findings.ok(check, fmt::format("{} bytes and {} of the tunnel fit port {}", kClientMtu,
                                          overhead, narrowest.name));
  const auto fits = narrowest.mtu > overhead ? narrowest.mtu - overhead : 0;
  const auto interface = narrowest.kernel_interface();
  findings.warn(
      check,
      fmt::format("the tunnel adds {} bytes: clients' packets over {} bytes are answered with "
                  "\"too big\", and lost where clients do not hear that",
                  overhead, fits),
      fmt::format("on each backend: ip route replace default via ROUTER advmss {}; or MTU {} on "
                  "port {}{} and behind it",
                  fits > kTcpAndIp ? fits - kTcpAndIp : 0, needed, narrowest.name,
                  interface.empty() ? std::string() : ", interface " + interface));
}

void check_reverse_path(const Patient& patient, Findings& findings) {
  constexpr std::string_view kFolder = "/proc/sys/net/ipv4/conf/";
  const auto setting = [&](const std::string& interface) {
    return patient.machine.number(fmt::format("{}{}/rp_filter", kFolder, interface)).value_or(0);
  };
  const auto everywhere = setting("all");
  std::string strict;
  for (const auto& port : patient.configuration->ports) {
    const auto interface = port.kernel_interface();
    if (interface.empty() || std::max(everywhere, setting(interface)) != 1) continue;
    if (strict.find(interface) == strict.npos) strict += (strict.empty() ? "" : " ") + interface;
  }
  if (strict.empty()) return findings.ok("rp_filter", "not strict on any port");
  findings.warn("rp_filter",
                fmt::format("strict on {}: answers that come by another way than they would go are "
                            "dropped, those to health checks as well",
                            strict),
                fmt::format("sysctl -w net.ipv4.conf.{}.rp_filter=2",
                            everywhere == 1 ? "all" : strict.substr(0, strict.find(' '))));
}

}  // namespace

unsigned tunnel_overhead(const config::Pool& pool, const IpAddress& backend) {
  const unsigned outer = backend.is_v4() ? sizeof(wire::Ipv4) : sizeof(wire::Ipv6);
  if (pool.forwarding == config::Forwarding::kIpip) return outer;
  if (pool.forwarding != config::Forwarding::kGue) return 0;
  const bool header = pool.encapsulation && pool.encapsulation->variant == 0;
  return outer + static_cast<unsigned>(sizeof(wire::Udp)) + (header ? kGueHeader : 0);
}

void check_ways(const Patient& patient, Findings& findings) {
  if (patient.configuration == nullptr) return;
  for (const auto& pool : patient.configuration->pools)
    check_tunnel(*patient.configuration, pool, findings);
  check_reverse_path(patient, findings);
}

}  // namespace sluice::doctor
