// SPDX-License-Identifier: Apache-2.0
#include "doctor/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace sluice::doctor {
namespace {

// Drivers that run XDP programs themselves, as far as Linux has them.
constexpr std::array<std::string_view, 22> kNativeXdp{
    "atlantic", "bnxt_en", "cxgb4",  "ena",     "gve",  "hv_netvsc", "i40e",      "ice",
    "igb",      "igc",     "ixgbe",  "ixgbevf", "mana", "mlx4_en",   "mlx5_core", "nfp",
    "qede",     "sfc",     "stmmac", "tun",     "veth", "virtio_net"};
constexpr unsigned kMostNativeMtu = 3498;  // a frame and XDP's room in one page, of most drivers

// "0000:3b:00.0" of devargs, with or without arguments behind it; empty: no PCI device.
std::string pci_address(const std::string& device) {
  const auto address = device.substr(0, device.find(','));
  const auto dot = address.find('.');
  const bool shaped = dot != address.npos && std::ranges::count(address, ':') >= 1 &&
                      address.find_first_not_of("0123456789abcdefABCDEF:.") == address.npos;
  if (!shaped) return {};
  return std::ranges::count(address, ':') == 1 ? "0000:" + address : address;
}

void check_pci(const Patient& patient, const config::Port& port, const std::string& address,
               Findings& findings) {
  const auto check = "port " + port.name;
  const auto& machine = patient.machine;
  const auto folder = "/sys/bus/pci/devices/" + address;
  if (!machine.exists(folder))
    return findings.fail(check, fmt::format("there is no PCI device {}", address), "lspci -D");
  const auto driver = machine.target(folder + "/driver");
  if (driver.starts_with("mlx5") || driver.starts_with("mlx4"))
    return findings.ok(check, fmt::format("{} is shared with Linux by {}", address, driver));
  if (driver != "vfio-pci" && driver != "uio_pci_generic" && driver != "igb_uio")
    return findings.fail(
        check, fmt::format("{} belongs to {}", address, driver.empty() ? "no driver" : driver),
        fmt::format("modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci {}", address));
  const bool unsafe = machine.text("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode") == "Y";
  if (!machine.names("/sys/kernel/iommu_groups").empty())
    findings.ok(check, fmt::format("{} by {}, behind an IOMMU", address, driver));
  else if (unsafe || driver != "vfio-pci")
    findings.warn(
        check,
        fmt::format("{} by {} without an IOMMU: the device may write anywhere", address, driver),
        "switch VT-d or AMD-Vi on in the firmware, and boot with intel_iommu=on iommu=pt");
  else
    findings.fail(check, "vfio-pci without an IOMMU does not open",
                  "echo Y > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
}

void check_xdp(const config::Port& port, const Link& link, Findings& findings) {
  const auto check = "xdp " + port.name;
  if (!port.is_af_xdp()) return;
  const auto by_driver = std::ranges::find(kNativeXdp, link.driver) != kNativeXdp.end();
  const bool wanted = port.xdp == config::XdpMode::kNative;
  const auto tell = [&](std::string what, std::string remedy) {
    if (wanted)
      findings.fail(check, std::move(what), std::move(remedy));
    else
      findings.warn(check, std::move(what), std::move(remedy));
  };
  if (port.xdp == config::XdpMode::kGeneric)
    findings.warn(check, "the file asks for generic XDP: a copy of each packet",
                  "set the port's \"xdp\" to \"auto\"");
  else if (!by_driver)
    tell(fmt::format("driver '{}' is not known to run XDP: generic costs a copy of each packet",
                     link.driver),
         "use an interface of another driver, or set the port's \"xdp\" to \"generic\"");
  else if (link.mtu > kMostNativeMtu)
    tell(fmt::format("MTU {} is more than most drivers take with XDP", link.mtu),
         fmt::format("ip link set dev {} mtu {}", port.interface(), kMostNativeMtu));
  else
    findings.ok(check, fmt::format("native, by driver {}", link.driver));
}

void check_interface(const Patient& patient, const config::Port& port, Findings& findings) {
  const auto check = "port " + port.name;
  const auto interface = port.interface();
  const auto link = patient.machine.link(interface);
  if (!link)
    return findings.fail(check, fmt::format("there is no interface {}", interface), "ip link");
  if (!link->up)
    findings.fail(check, fmt::format("interface {} is down or has no carrier", interface),
                  fmt::format("ip link set dev {} up", interface));
  else if (link->mtu != 0 && link->mtu < port.mtu)
    findings.fail(check,
                  fmt::format("the MTU of interface {} is {}, that of the port {}: longer "
                              "packets are lost",
                              interface, link->mtu, port.mtu),
                  fmt::format("ip link set dev {} mtu {}", interface, port.mtu));
  else
    findings.ok(check, fmt::format("interface {}, MTU {}", interface, port.mtu));
  check_xdp(port, *link, findings);
}

// The NUMA node of the device, unless the machine has but one.
void check_numa(const Patient& patient, const config::Port& port, Findings& findings) {
  const auto pci = pci_address(port.device);
  const auto file = pci.empty() ? "/sys/class/net/" + port.interface() + "/device/numa_node"
                                : "/sys/bus/pci/devices/" + pci + "/numa_node";
  const auto node = patient.machine.number(file);
  if (!node) return;  // virtual, or a machine of one node: "-1"
  const auto local =
      patient.machine.processors(fmt::format("/sys/devices/system/node/node{}/cpulist", *node));
  std::set<unsigned> far;
  for (const auto cpu : patient.configuration->dpdk.cpus())
    if (!local.contains(cpu)) far.insert(cpu);
  const auto check = "numa " + port.name;
  if (local.empty() || far.empty())
    findings.ok(check, fmt::format("device and lcores on node {}", *node));
  else
    findings.warn(check,
                  fmt::format("the device is on node {}, CPU {} elsewhere: each packet "
                              "crosses between sockets",
                              *node, processors_text(far)),
                  fmt::format("set dpdk.lcores to some of {}", processors_text(local)));
}

}  // namespace

void check_ports(const Patient& patient, Findings& findings) {
  if (patient.configuration == nullptr) return;
  bool vfio = false;
  for (const auto& port : patient.configuration->ports) {
    const auto pci = pci_address(port.device);
    vfio = vfio || !pci.empty();
    if (!pci.empty())
      check_pci(patient, port, pci, findings);
    else if (!port.interface().empty())
      check_interface(patient, port, findings);
    else
      findings.ok("port " + port.name, "a device without an interface of Linux");
    check_numa(patient, port, findings);
  }
  if (!vfio) findings.ok("iommu", "no port needs vfio");
}

}  // namespace sluice::doctor
