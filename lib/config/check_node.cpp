// SPDX-License-Identifier: Apache-2.0
// Rules of lcores, ports and neighbours.
#include "config/lcores.hpp"
#include "config/rules.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace sluice::config {
namespace {

constexpr std::size_t kLongestInterfaceName = 15;  // Linux's IFNAMSIZ without its zero

constexpr unsigned kLeastMtuOfV6 = 1280;  // RFC 8200, section 5

/// @return whether lcores and main lcore are sound together.
bool check_dpdk(Rules& rules) {
  const auto& dpdk = rules.configuration().dpdk;
  bool no_member = false;
  rules.at("lcores", [&] {
    const auto lcores = parse_lcores(dpdk.lcores);
    if (!lcores)
      rules.fault(fmt::format("{}: {}", quoted(dpdk.lcores), lcores.error().what),
                  lcores.error().remedy);
    else if (lcores->size() < 2)
      rules.fault(fmt::format("{} leaves no worker beside the main lcore", quoted(dpdk.lcores)),
                  "give at least two lcores");
    else
      no_member = std::ranges::find(*lcores, dpdk.main_lcore, &Lcore::number) == lcores->end();
  });
  if (no_member)
    rules.at("main_lcore", [&] {
      rules.fault(fmt::format("lcore {} is not one of {}", dpdk.main_lcore, quoted(dpdk.lcores)),
                  "choose one of dpdk.lcores or add it there");
    });
  rules.at("multi_process", [&] {
    if (dpdk.multi_process && !dpdk.huge_pages)
      rules.fault("other processes attach by huge pages, and dpdk.huge_pages is false",
                  "set dpdk.huge_pages to true, or leave multi_process away");
  });
  return !no_member && !rules.damaged("lcores") && !rules.damaged("main_lcore");
}

// What makes the node speak IPv6, for a message; empty when nothing does.
std::string user_of_v6(const Configuration& configuration) {
  for (const auto& service : configuration.services)
    if (!service.address.is_v4()) return fmt::format("service {}", quoted(service.name));
  for (const auto& pool : configuration.pools)
    for (const auto& backend : pool.backends)
      if (!backend.address.is_v4())
        return fmt::format("backend {} of pool {}", quoted(backend.name), quoted(pool.name));
  return {};
}

// Queues that the device has by its own arguments; nothing where only the device knows.
std::optional<unsigned> queues_of_device(const Port& port) {
  if (!port.is_af_xdp()) return std::nullopt;
  constexpr std::string_view kKey = ",queue_count=";
  const auto at = port.device.find(kKey);
  if (at == std::string::npos) return 1;  // DPDK's default
  const char* from = port.device.data() + at + kKey.size();
  unsigned count = 0;
  if (std::from_chars(from, port.device.data() + port.device.size(), count).ec != std::errc())
    return std::nullopt;  // DPDK has a word for that
  return count;
}

void check_queues(Rules& rules, bool lcores_are_sound) {
  const auto& ports = rules.configuration().ports;
  rules.each(ports, [&](const Port& port) {
    rules.at("queues", [&] {
      if (const auto has = queues_of_device(port); has && port.queues > *has)
        rules.fault(fmt::format("{} queues, but {} serves {}", port.queues,
                                port.device.substr(0, port.device.find(',')), *has),
                    fmt::format("write ,queue_count={} behind the device's iface=", port.queues));
    });
  });
  rules.each(ports, [&](const Port& port) {
    rules.at("queues", [&] {
      if (port.queues != ports.front().queues)
        rules.fault(
            fmt::format("{} queues, but the first port has {}", port.queues, ports.front().queues),
            "give all ports the same number");
    });
  });
  rules.each(ports, [&](const Port& port) {
    const auto beside =
        rules.configuration().ports_beside(static_cast<std::size_t>(&port - ports.data())).size();
    const auto first = rules.configuration().ports_beside(0).size();
    rules.at("device", [&] {
      if (beside != first)
        rules.fault(fmt::format("{} port{} on its interface, but {} on the first port's", beside,
                                beside == 1 ? "" : "s", first),
                    "give every interface the same number of ports");
    });
  });
  const auto workers = rules.configuration().dpdk.workers().size();
  if (workers == 0 || !lcores_are_sound) return;
  const std::size_t queues = rules.configuration().receive_queues();
  rules.reader().at(std::size_t{0}, [&] {
    rules.at("queues", [&] {
      if (queues > workers)
        rules.fault(
            fmt::format("{} queues, but {} worker{}", queues, workers, workers == 1 ? "" : "s"),
            "give at most one queue for each worker, or more dpdk.lcores");
      else if (queues < workers)
        rules.warning(
            fmt::format("{} queues leave {} of {} workers idle", queues, workers - queues, workers),
            "give each worker a queue, or fewer dpdk.lcores");
    });
  });
}

void check_ports(Rules& rules, bool lcores_are_sound) {
  const auto& ports = rules.configuration().ports;
  rules.distinct_names(ports);
  rules.distinct(ports, "device", "device",
                 [](const Port& port) { return port.device.substr(0, port.device.find(',')); });
  if (ports.empty() || rules.damaged_here()) return;
  const auto v6 = user_of_v6(rules.configuration());
  rules.each(ports, [&](const Port& port) {
    rules.at("mtu", [&] {
      if (port.mtu < kLeastMtuOfV6 && !v6.empty())
        rules.fault(fmt::format("{} bytes are less than the {} that IPv6 needs, which {} speaks",
                                port.mtu, kLeastMtuOfV6, v6),
                    fmt::format("give at least {}", kLeastMtuOfV6));
    });
    if (!rules.damaged("device"))
      rules.at("exception", [&] {
        if (port.exception == Exception::kTap && !port.interface().empty())
          rules.fault(fmt::format("interface {} gets what is for no service already",
                                  quoted(port.interface())),
                      "leave exception away; 'tap' is for devices without a kernel interface");
        if (port.exception == Exception::kTap && port.name.size() > kLongestInterfaceName)
          rules.fault(
              fmt::format("{} becomes the interface's name, and is longer than {} characters",
                          quoted(port.name), kLongestInterfaceName),
              "give the port a shorter name");
      });
  });
  if (!rules.damaged_at("/ports/0/queues")) check_queues(rules, lcores_are_sound);
}

void check_neighbours(Rules& rules) {
  const auto& neighbours = rules.configuration().neighbours;
  rules.distinct(neighbours, "address", "address",
                 [](const Neighbour& neighbour) { return neighbour.address.text(); });
  const Names ports("port", rules.configuration().ports, !rules.damaged_at("/ports"));
  rules.each(neighbours,
             [&](const Neighbour& neighbour) { rules.refers("port", neighbour.port, ports); });
}

// A token must not cross a network that others can read, and a certificate is no use without TCP.
void check_admin(Rules& rules) {
  const auto& admin = rules.configuration().admin;
  rules.at("tls_certificate", [&] {
    if (!admin.tls_certificate.empty() && admin.http.empty())
      rules.fault("a certificate is for TCP, and admin.http is absent",
                  "give admin.http, or leave the certificate away");
    if (!admin.tls_certificate.empty() && admin.tls_key.empty())
      rules.fault("a certificate is of no use without its key", "give admin.tls_key");
  });
  rules.at("tls_key", [&] {
    if (!admin.tls_key.empty() && admin.tls_certificate.empty())
      rules.fault("a key is of no use without its certificate", "give admin.tls_certificate");
  });
  rules.at("token_file", [&] {
    if (!admin.token_file.empty() && admin.tls_certificate.empty())
      rules.fault("tokens would cross the network in clear text",
                  "give admin.tls_certificate and admin.tls_key, or leave the tokens away");
  });
}

}  // namespace

void check_node(Rules& rules) {
  bool sound = false;
  rules.reader().at("dpdk", [&] { sound = check_dpdk(rules); });
  rules.reader().at("ports", [&] { check_ports(rules, sound); });
  rules.reader().at("admin", [&] { check_admin(rules); });
  rules.reader().at("neighbours", [&] { check_neighbours(rules); });
}

}  // namespace sluice::config
