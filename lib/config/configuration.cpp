// SPDX-License-Identifier: Apache-2.0
#include "config/configuration.hpp"

#include "config/lcores.hpp"

#include <string_view>

namespace sluice::config {

std::vector<unsigned> Dpdk::workers() const {
  auto workers = parse_lcores(lcores).value_or(std::vector<unsigned>());
  std::erase(workers, main_lcore);
  return workers;
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

bool Port::is_af_xdp() const { return device.starts_with("net_af_xdp"); }

}  // namespace sluice::config
