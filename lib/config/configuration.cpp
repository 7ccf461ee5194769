// SPDX-License-Identifier: Apache-2.0
#include "config/configuration.hpp"

#include "config/lcores.hpp"

#include <string_view>

namespace sluice::config {

std::vector<unsigned> Dpdk::workers() const {
  std::vector<unsigned> workers;
  for (const Lcore& lcore : parse_lcores(lcores).value_or(std::vector<Lcore>()))
    if (lcore.number != main_lcore) workers.push_back(lcore.number);
  return workers;
}

std::vector<unsigned> Dpdk::cpus() const {
  std::vector<unsigned> cpus;
  for (const Lcore& lcore : parse_lcores(lcores).value_or(std::vector<Lcore>()))
    cpus.push_back(lcore.cpu);
  return cpus;
}

std::string Port::interface() const {
  constexpr std::string_view kKey = ",iface=";
  // These devices make the interface, or give a socket that name.
  for (const std::string_view other : {"net_tap", "net_vhost", "eth_vhost", "virtio_user"})
    if (device.starts_with(other)) return {};
  const auto at = device.find(kKey);
  if (at == std::string::npos) return {};
  const auto from = at + kKey.size();
  const auto comma = device.find(',', from);
  return device.substr(from, comma == std::string::npos ? comma : comma - from);
}

std::string Port::kernel_interface() const {
  return exception == Exception::kTap ? name : interface();
}

std::vector<std::size_t> Configuration::ports_beside(std::size_t port) const {
  const std::string interface = ports[port].interface();
  if (interface.empty()) return {port};
  std::vector<std::size_t> beside;
  for (std::size_t i = 0; i < ports.size(); ++i)
    if (ports[i].interface() == interface) beside.push_back(i);
  return beside;
}

std::size_t Configuration::receive_queues() const {
  return ports.front().queues * ports_beside(0).size();
}

IpAddress Encapsulation::source_for(bool v4) const {
  if (!source.is_unspecified() && source.is_v4() == v4) return source;
  return v4 ? IpAddress{} : source6;
}

bool Port::is_af_xdp() const { return device.starts_with("net_af_xdp"); }

}  // namespace sluice::config
