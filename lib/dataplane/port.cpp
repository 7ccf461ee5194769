// SPDX-License-Identifier: Apache-2.0
#include "dataplane/port.hpp"

#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "dataplane/dpdk_log.hpp"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_mbuf.h>

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

namespace sluice::dataplane {
namespace {

constexpr std::uint16_t kDescriptors = 1024;      // per queue, where the device has no other wish
constexpr std::uint32_t kBuffersPerQueue = 4096;  // net_af_xdp alone lends 2048 to the kernel
constexpr std::uint32_t kBufferCache = 256;
constexpr std::uint32_t kLinkBytes = 14 + 4 + 4;  // Ethernet header and two tags
constexpr std::uint32_t kTrailerBytes = 4;        // a checksum that some devices leave in place

std::string device_name(const std::string& devargs) { return devargs.substr(0, devargs.find(',')); }

// Drivers on top of a kernel interface call their link up whatever becomes of that.
bool is_running(const std::string& interface) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  interface.copy(request.ifr_name, sizeof request.ifr_name - 1);
  if (socket.get() < 0 || ::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) return false;
  constexpr unsigned kRunning = IFF_UP | IFF_RUNNING;
  return (static_cast<unsigned>(request.ifr_flags) & kRunning) == kRunning;
}

// Spreads packets over queues by address and port. It never picks a backend.
std::uint64_t rss_of(const rte_eth_dev_info& info) {
  return (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP) & info.flow_type_rss_offloads;
}

/// What the device may be asked to check. With checks on, para-virtual devices hand over packets
/// whose checksum nobody has made yet; such a packet must not be sent on.
std::uint64_t verifiable(const rte_eth_dev_info& info) {
  const std::string_view driver = info.driver_name == nullptr ? "" : info.driver_name;
  if (driver.starts_with("net_vhost") || driver.starts_with("net_virtio")) return 0;
  return RTE_ETH_RX_OFFLOAD_CHECKSUM & info.rx_offload_capa;
}

/// The device shares its wire with a kernel driver, which has what no rule takes. net_tap has an
/// interface of its own, and shares another only when told of it.
bool shares_its_wire(const rte_eth_dev_info& info, const std::string& device) {
  if (info.if_index == 0) return false;
  return !device.starts_with("net_tap") || device.find("remote=") != std::string::npos;
}

/// Tells who makes and checks checksums, where that was asked for.
void tell_checksums(const PortSettings& settings, const Port& port) {
  rte_eth_dev_info info{};
  if (!settings.ask_to_sum && !settings.ask_to_verify) return;
  if (rte_eth_dev_info_get(port.id(), &info) != 0) return;
  const bool checks = settings.ask_to_verify && verifiable(info) != 0;
  log("dataplane")
      ->info("checksums port={} made_by={} checked_by={}", settings.name,
             port.sums_udp() ? "device" : "software", checks ? "device" : "software");
}

/// Tells what brings packets to the port, where rules were tried.
void tell_rules(const PortSettings& settings, const Port& port) {
  rte_eth_dev_info info{};
  if (settings.ask_for_rules == AskForRules::kNo || rte_eth_dev_info_get(port.id(), &info) != 0)
    return;
  const FlowRules* rules = port.flow_rules();
  if (rules != nullptr)
    log("dataplane")
        ->info("flow_rules port={} by={}", settings.name,
               rules->grain() == FlowGrain::kPort ? "port" : "address");
  else if (settings.interface.empty() && shares_its_wire(info, settings.device))  // AF_XDP: no loss
    log("dataplane")
        ->info("flow_rules port={} none: the device takes no such rules", settings.name);
}

}  // namespace

Result<Port> Port::open(const PortSettings& settings) {
  std::string words;
  auto port = [&]() -> Result<Port> {
    const DpdkWords heard;
    auto opened = probe(settings);
    words = heard.text();
    return opened;
  }();
  if (port && !words.empty()) log("dpdk")->warn("port={} {}", settings.name, words);
  // Not before: what a driver writes to stderr is taken for its words.
  if (port) tell_checksums(settings, *port);
  if (port) tell_rules(settings, *port);
  if (!port && !words.empty()) port.error().message += fmt::format(" (DPDK: {})", words);
  return port;
}

Result<Port> Port::probe(const PortSettings& settings) {
  if (const int error = rte_dev_probe(settings.device.c_str()); error != 0 && error != -EEXIST)
    return fail(Errc::kNotFound, "port " + settings.name,
                "device '{}' does not open: {}; check that it exists "
                "and that this process may use it",
                settings.device, rte_strerror(-error));
  std::uint16_t id = 0;
  if (rte_eth_dev_get_port_by_name(device_name(settings.device).c_str(), &id) != 0)
    return fail(Errc::kNotFound, "port " + settings.name, "device '{}' is no network port",
                settings.device);
  Port port(id, settings.name);
  port.interface_ = settings.interface;
  if (auto ready = port.set_up(settings); !ready) return forward_error(ready);
  return port;
}

Result<void> Port::set_up(const PortSettings& settings) {
  const auto refuse = [&](Errc code, int error, std::string_view doing) {
    return fail(code, "port " + name_, "cannot {}: {}", doing,
                rte_strerror(error < 0 ? -error : error));
  };
  rte_eth_dev_info info{};
  if (const int error = rte_eth_dev_info_get(id_, &info); error != 0)
    return refuse(Errc::kIo, error, "ask the device");
  if (settings.rx_queues > info.max_rx_queues || settings.tx_queues > info.max_tx_queues)
    return fail(Errc::kUnsupported, "port " + name_,
                "{} receive and {} transmit queues are wanted; the device has {} and {}",
                settings.rx_queues, settings.tx_queues, info.max_rx_queues, info.max_tx_queues);
  kernel_has_copy_ =
      info.driver_name != nullptr && std::strcmp(info.driver_name, "net_af_packet") == 0;

  if (settings.mtu > info.max_mtu)
    return fail(Errc::kUnsupported, "port " + name_,
                "an MTU of {} is wanted; the device takes at most {}", settings.mtu, info.max_mtu);
  rte_eth_conf conf{};
  conf.rxmode.mtu = settings.mtu;
  // A device that fills several buffers for one packet, or takes them, may: stages cope.
  conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
  conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  sends_segments_ = conf.txmode.offloads != 0;
  if (settings.ask_to_verify) conf.rxmode.offloads |= verifiable(info);
  sums_udp_ = settings.ask_to_sum && (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0;
  if (sums_udp_) conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
  if (settings.rx_queues > 1 && rss_of(info) != 0) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = rss_of(info);
  }
  if (const int error = rte_eth_dev_configure(id_, settings.rx_queues, settings.tx_queues, &conf);
      error != 0)
    return refuse(Errc::kIo, error, "configure the device");
  std::uint16_t rx_size = kDescriptors;
  std::uint16_t tx_size = kDescriptors;
  if (const int error = rte_eth_dev_adjust_nb_rx_tx_desc(id_, &rx_size, &tx_size); error != 0)
    return refuse(Errc::kIo, error, "size its queues");

  const int socket = std::max(0, rte_eth_dev_socket_id(id_));
  if (auto made = make_buffers(settings, socket); !made) return made;
  for (std::uint16_t q = 0; q < settings.rx_queues; ++q)
    if (const int error =
            rte_eth_rx_queue_setup(id_, q, rx_size, static_cast<unsigned>(socket), nullptr, pool_);
        error != 0)
      return refuse(Errc::kIo, error, fmt::format("set receive queue {} up", q));
  for (std::uint16_t q = 0; q < settings.tx_queues; ++q)
    if (const int error =
            rte_eth_tx_queue_setup(id_, q, tx_size, static_cast<unsigned>(socket), nullptr);
        error != 0)
      return refuse(Errc::kIo, error, fmt::format("set transmit queue {} up", q));
  if (auto started = start(settings, info); !started) return started;

  rte_ether_addr own{};
  rte_eth_macaddr_get(id_, &own);
  std::copy(std::begin(own.addr_bytes), std::end(own.addr_bytes), mac_.bytes.begin());
  if (settings.mac && *settings.mac != mac_) {
    // Frames for another address than the device's own arrive only in promiscuous mode.
    if (rte_eth_promiscuous_enable(id_) != 0)
      log("dataplane")
          ->warn("port_mac port={} device={} configured={} the device takes no other address",
                 name_, mac_.text(), settings.mac->text());
    mac_ = *settings.mac;
  }
  return {};
}

// Isolated before it starts: nothing of Linux's strays to the workers meanwhile.
Result<void> Port::start(const PortSettings& settings, const rte_eth_dev_info& info) {
  const auto refuse = [&](Errc code, std::string_view what, std::string_view why) {
    return fail(code, "port " + name_, "{}: {}", what, why);
  };
  const bool must = settings.ask_for_rules == AskForRules::kAlways;
  const bool may = settings.ask_for_rules == AskForRules::kWherePossible &&
                   shares_its_wire(info, settings.device);
  rte_flow_error why{};
  const bool isolated = (must || may) && rte_flow_isolate(id_, 1, &why) == 0;
  constexpr std::string_view kNoRules = "flow_rules is 'on', and the device has no such rules";
  if (must && !isolated)
    return refuse(Errc::kUnsupported, kNoRules,
                  why.message != nullptr ? why.message : rte_strerror(rte_errno));
  if (const int error = rte_eth_dev_start(id_); error != 0)
    return refuse(Errc::kIo, "cannot start the device", rte_strerror(-error));
  if (!isolated) return {};
  auto rules =
      FlowRules::open({.port = id_, .queues = settings.rx_queues, .rss_types = rss_of(info)});
  if (rules) {
    flow_rules_ = std::move(*rules);
    return {};
  }
  if (must) return refuse(Errc::kUnsupported, kNoRules, rules.error().message);
  // Back to where everything comes. Some devices change that only while they are stopped.
  if (const int error = rte_eth_dev_stop(id_); error != 0)
    return refuse(Errc::kIo, "cannot stop the device", rte_strerror(-error));
  if (rte_flow_isolate(id_, 0, &why) != 0)
    return refuse(Errc::kIo, "the device does not leave isolated mode",
                  why.message != nullptr ? why.message : rte_strerror(rte_errno));
  if (const int error = rte_eth_dev_start(id_); error != 0)
    return refuse(Errc::kIo, "cannot start the device", rte_strerror(-error));
  return {};
}

Result<void> Port::make_buffers(const PortSettings& settings, int socket) {
  const std::uint32_t buffers =
      kBuffersPerQueue * std::max(settings.rx_queues, settings.tx_queues) * 2U - 1U;
  const std::uint32_t room = std::max<std::uint32_t>(
      RTE_MBUF_DEFAULT_BUF_SIZE, RTE_PKTMBUF_HEADROOM + settings.mtu + kLinkBytes + kTrailerBytes);
  pool_ = rte_pktmbuf_pool_create(("port-" + std::to_string(id_)).c_str(), buffers, kBufferCache, 0,
                                  static_cast<std::uint16_t>(room), socket);
  if (pool_ == nullptr)
    return fail(Errc::kExhausted, "port " + name_,
                "no memory for {} packet buffers of {} bytes ({}); raise /dpdk/memory_mb", buffers,
                room, rte_strerror(rte_errno));
  return {};
}

Port::Port(Port&& other) noexcept
    : id_(other.id_),
      name_(std::move(other.name_)),
      interface_(std::move(other.interface_)),
      mac_(other.mac_),
      kernel_has_copy_(other.kernel_has_copy_),
      sends_segments_(other.sends_segments_),
      sums_udp_(other.sums_udp_),
      flow_rules_(std::move(other.flow_rules_)),
      pool_(std::exchange(other.pool_, nullptr)),
      open_(std::exchange(other.open_, false)) {}

Port::~Port() {
  if (!open_) return;
  flow_rules_.reset();
  rte_eth_dev_stop(id_);
  rte_eth_dev_close(id_);
  // The pool is left to the EAL: a driver may hold buffers of a socket that the kernel still
  // drains.
}

PortStatus Port::status() const noexcept {
  PortStatus status;
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(id_, &link) == 0)
    status.link_up =
        link.link_status == RTE_ETH_LINK_UP && (interface_.empty() || is_running(interface_));
  rte_eth_stats stats{};
  if (rte_eth_stats_get(id_, &stats) != 0) return status;
  status.rx_packets = stats.ipackets;
  status.rx_missed = stats.imissed;
  status.rx_errors = stats.ierrors + stats.rx_nombuf;
  status.tx_packets = stats.opackets;
  status.tx_errors = stats.oerrors;
  return status;
}

}  // namespace sluice::dataplane
