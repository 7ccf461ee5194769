// SPDX-License-Identifier: Apache-2.0
#include "control/fast_path.hpp"

#include "control/filter_duties.hpp"

#include "base/log.hpp"
#include "packet/headers.hpp"
#include "snapshot/nat.hpp"

#include <net/if.h>

#include <algorithm>
#include <cctype>

namespace sluice::control {
namespace {

// "0000:3b:00.0" and "3b:00.0", with or without devargs behind: everything else is a virtual
// device.
bool is_pci(const std::string& device) {
  const auto address = device.substr(0, device.find(','));
  return address.find(':') != std::string::npos &&
         std::isxdigit(static_cast<unsigned char>(address[0])) != 0;
}

dataplane::EalSettings eal_settings(const config::Configuration& c) {
  dataplane::EalSettings settings{.file_prefix = "sluice-" + c.node,
                                  .lcores = c.dpdk.lcores,
                                  .main_lcore = c.dpdk.main_lcore,
                                  .cpus = c.dpdk.cpus(),
                                  .huge_pages = c.dpdk.huge_pages,
                                  .multi_process = c.dpdk.multi_process,
                                  .memory_mb = c.dpdk.memory_mb,
                                  .pci_devices = {},
                                  .extra_args = c.dpdk.extra_args};
  for (const auto& port : c.ports)
    if (is_pci(port.device)) settings.pci_devices.push_back(port.device);
  return settings;
}

xdp::Mode mode_of(config::XdpMode mode) {
  switch (mode) {
    case config::XdpMode::kNative:
      return xdp::Mode::kNative;
    case config::XdpMode::kGeneric:
      return xdp::Mode::kGeneric;
    case config::XdpMode::kAuto:
      break;
  }
  return xdp::Mode::kAuto;
}

dataplane::AskForRules rules_of(config::FlowRules flow_rules) {
  switch (flow_rules) {
    case config::FlowRules::kAuto:
      return dataplane::AskForRules::kWherePossible;
    case config::FlowRules::kOn:
      return dataplane::AskForRules::kAlways;
    case config::FlowRules::kOff:
      break;
  }
  return dataplane::AskForRules::kNo;
}

/// The TAP device by which Linux has a port's packets for itself. Its interface has the port's name
/// and MAC address, so that ARP, neighbour discovery and routing daemons find all in order.
dataplane::PortSettings exception_of(const config::Port& port, const MacAddress& mac,
                                     std::uint16_t workers) {
  return {.name = port.name + " (exception path)",
          .device = fmt::format("net_tap_{0},iface={0},mac={1}", port.name, mac.text()),
          .mac = std::nullopt,
          .mtu = port.mtu,
          .rx_queues = workers,
          .tx_queues = workers};
}

Result<void> interfaces_exist(const config::Configuration& c) {
  for (std::size_t i = 0; i < c.ports.size(); ++i) {
    const auto interface = c.ports[i].interface();
    if (!interface.empty() && ::if_nametoindex(interface.c_str()) == 0)
      return fail(Errc::kNotFound, fmt::format("/ports/{}/device", i),
                  "there is no interface '{}'; `ip link` lists those there are", interface);
  }
  return {};
}

/// @return the error when services' packets would stay with Linux: that everything comes to the
/// workers instead of what they want is worth a warning only.
Result<void> rule_in(const dataplane::Port& port, dataplane::FlowRules& rules,
                     const snapshot::Input& input) {
  const bool took_all = rules.takes_all();
  auto done = rules.apply(input);
  if (took_all && !rules.takes_all())
    log("dataplane")->info("flow_rules port={} rules={}", port.name(), rules.count());
  if (done || done.error().code == Errc::kIo) return done;
  if (!took_all)
    log("dataplane")
        ->warn("flow_rules port={} {}; all packets come to the workers now", port.name(),
               done.error().message);
  return {};
}

}  // namespace

Result<std::unique_ptr<FastPath>> FastPath::open(const config::Configuration& configuration) {
  std::unique_ptr<FastPath> fast_path(new FastPath(configuration));
  const auto settings = eal_settings(configuration);
  if (auto ready = interfaces_exist(configuration); !ready) return forward_error(ready);
  if (auto ready = dataplane::preflight(settings); !ready) return forward_error(ready);
  if (auto attached = fast_path->attach_filters(); !attached) return forward_error(attached);
  auto eal = dataplane::Eal::start(settings);
  if (!eal) return forward_error(eal);
  fast_path->eal_.emplace(std::move(*eal));
  if (auto opened = fast_path->open_ports(); !opened) return forward_error(opened);
  return fast_path;
}

Result<void> FastPath::attach_filters() {
  port_filters_.resize(configuration_.ports.size());
  for (std::size_t i = 0; i < configuration_.ports.size(); ++i) {
    const auto& port = configuration_.ports[i];
    if (!port.is_af_xdp()) continue;
    if (!filter_) {
      auto filter = xdp::Filter::open(configuration_.node);
      if (!filter) return forward_error(filter);
      filter_.emplace(std::move(*filter));
    }
    const auto interface = port.interface();
    auto report = filter_->attach(interface, mode_of(port.xdp));
    if (!report) return forward_error(report);
    log("xdp")->info("attached interface={} mode={} took_over={}{}{}", interface,
                     xdp::name(report->mode), report->took_over,
                     report->note.empty() ? "" : " note=", report->note);
    port_filters_[i] = PortFilter{interface, *report};
  }
  return {};
}

Result<void> FastPath::open_ports() {
  // What nothing needs is not asked for: drivers have faster paths for those who ask for less.
  const bool any_gue = std::ranges::any_of(configuration_.pools, [](const config::Pool& pool) {
    return pool.forwarding == config::Forwarding::kGue;
  });
  // Of the workers that share a port each has one of its queues.
  const auto workers = static_cast<std::uint16_t>(
      std::min<std::size_t>(worker_count(), configuration_.ports.front().queues));
  for (const auto& port : configuration_.ports) {
    const bool offload = port.offload == config::Offload::kAuto;
    auto opened =
        dataplane::Port::open({.name = port.name,
                               .device = port.device,
                               .interface = port.interface(),
                               .mac = port.mac,
                               .mtu = port.mtu,
                               .rx_queues = port.queues,
                               .tx_queues = workers,
                               .ask_to_sum = offload && any_gue,
                               .ask_to_verify = offload && configuration_.protection.bad_checksum,
                               .ask_for_rules = rules_of(port.flow_rules)});
    if (!opened) return forward_error(opened);
    ports_.push_back(std::move(*opened));
    exceptions_.emplace_back();
    if (port.exception == config::Exception::kNone) continue;
    auto exception = dataplane::Port::open(exception_of(port, ports_.back().mac(), workers));
    if (!exception) return forward_error(exception);
    exceptions_.back().emplace(std::move(*exception));
  }
  // Only once every socket is in place: two ports may share an interface.
  for (const auto& port_filter : port_filters_)
    if (port_filter)
      if (auto done = filter_->promote(port_filter->interface); !done) return done;
  if (filter_)
    if (auto done = filter_->detach_others(); !done) return done;
  return {};
}

unsigned FastPath::worker_count() const {
  return static_cast<unsigned>(
      std::min(eal_->worker_lcores().size(), configuration_.receive_queues()));
}

dataplane::WorkerSettings FastPath::worker_settings(unsigned number, unsigned workers,
                                                    unsigned lcore) const {
  const unsigned queues = configuration_.ports.front().queues;
  dataplane::WorkerSettings settings{.number = number,
                                     .workers = workers,
                                     .lcore = lcore,
                                     .transmit_queue = static_cast<std::uint16_t>(number % queues),
                                     .queues = {},
                                     .ports = {},
                                     .flows = configuration_.flow_cache.flows,
                                     .nat_sessions = configuration_.flow_cache.nat_sessions,
                                     .hand_over = hand_over_.get()};
  if (filter_ && number < filter_->heartbeats().size())
    settings.heartbeat = &filter_->heartbeats()[number].nanoseconds;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    const std::size_t own = configuration_.ports_beside(i)[number / queues];
    settings.ports.push_back(
        {ports_[own].id(), ports_[own].kernel_has_copy(), ports_[own].sends_segments(),
         ports_[own].sums_udp(),
         exceptions_[own] ? std::optional(exceptions_[own]->id()) : std::nullopt});
    if (own == i)
      settings.queues.push_back({static_cast<std::uint16_t>(i), settings.transmit_queue});
  }
  return settings;
}

Result<void> FastPath::launch(const snapshot::Publisher& publisher) {
  const auto lcores = eal_->worker_lcores();
  const unsigned workers = worker_count();
  if (workers > 1) {
    auto hand_over = dataplane::HandOver::create(workers);
    if (!hand_over) return forward_error(hand_over);
    hand_over_ = std::move(*hand_over);
  }
  for (unsigned n = 0; n < workers; ++n) {
    auto worker = dataplane::Worker::create(worker_settings(n, workers, lcores[n]), publisher);
    if (!worker) return forward_error(worker);
    workers_.push_back(std::move(*worker));
  }
  launched_ = true;
  for (auto& worker : workers_)
    if (auto running = worker->launch(); !running) return running;
  return {};
}

Result<void> FastPath::admit(const snapshot::Snapshot& snapshot,
                             const config::Configuration& running,
                             const std::set<std::string>& awaiting) {
  for (const auto& port : ports_)
    if (auto* rules = port.flow_rules(); rules != nullptr)
      if (auto done = rule_in(port, *rules, snapshot.input); !done) return done;
  if (!filter_) return {};
  const auto entries = service_entries(snapshot, running, awaiting);
  std::vector<xdp::NatEntry> nat;
  for (const auto& address : snapshot::nat_addresses(snapshot.input))
    for (const std::uint8_t protocol : {wire::kIpProtoTcp, wire::kIpProtoUdp})
      nat.push_back({address, protocol});
  return filter_->set_services(entries, nat);
}

Result<void> FastPath::protect(const config::Configuration& running) {
  if (!filter_) return {};
  if (denied_ != running.protection.deny) {  // there may be 100,000 of them
    if (auto done = filter_->set_deny(running.protection.deny); !done) return done;
    denied_ = running.protection.deny;
  }
  if (auto done = filter_->set_syn_limit(syn_limit(running)); !done) return done;
  const auto workers = static_cast<unsigned>(workers_.size());
  if (auto done = filter_->set_answers(answer_settings(running, workers)); !done) return done;
  const auto backends = watched_backends(running);
  if (auto done = filter_->set_backends(backends); !done) return done;
  watched_.clear();
  watched_by_number_.clear();
  for (const auto& backend : backends) {
    watched_.emplace(backend.address, backend.number);
    watched_by_number_.push_back(backend.address);
  }
  return {};
}

std::optional<std::chrono::steady_clock::time_point> FastPath::driver_saw(
    const IpAddress& address) const {
  const auto at = watched_.find(address);
  if (!filter_ || at == watched_.end()) return std::nullopt;
  const auto seen = filter_->backend_statistics(at->second);
  if (!seen || seen->answered.count() == 0) return std::nullopt;
  // CLOCK_MONOTONIC, both of them.
  return std::chrono::steady_clock::time_point(seen->answered);
}

int FastPath::driver_events_fd() const noexcept { return filter_ ? filter_->events_fd() : -1; }

std::vector<DriverEvent> FastPath::poll_driver_events(std::size_t most) {
  std::vector<DriverEvent> all;
  if (!filter_) return all;
  for (const auto& event : filter_->poll_events(most)) {
    ++driver_event_counts_[static_cast<std::size_t>(event.kind)];
    // One from before a change may have a number that is nobody's now, or another's: a sign to
    // look at somebody who is well costs a probe.
    if (event.backend < watched_by_number_.size())
      all.push_back({watched_by_number_[event.backend], event.kind});
  }
  return all;
}

std::uint64_t FastPath::driver_events_lost() const {
  return filter_ ? filter_->events_lost().value_or(0) : 0;
}

health::Signals FastPath::signals(std::uint16_t backend) const {
  health::Signals sum;
  for (const auto& worker : workers_) {
    const auto& of = worker->signals(backend);
    sum.new_flows += of.new_flows.value();
    sum.syn_repeats += of.syn_repeats.value();
    sum.handshakes += of.handshakes.value();
    sum.handshake_us += of.handshake_us.value();
    sum.resets += of.resets.value();
    sum.syn_unanswered += of.syn_unanswered.value();
    sum.responses += of.responses.value();
    sum.response_us += of.response_us.value();
    sum.unreachables += of.unreachables.value();
  }
  return sum;
}

std::uint64_t FastPath::active_flows(std::uint16_t backend) const {
  std::uint64_t sum = 0;
  for (const auto& worker : workers_) sum += worker->active().of(backend);
  return sum;
}

std::optional<unsigned> FastPath::stuck_worker(std::chrono::milliseconds limit) const {
  if (!launched_) return std::nullopt;
  const auto now =
      std::chrono::steady_clock::now().time_since_epoch();  // CLOCK_MONOTONIC, as theirs
  for (const auto& worker : workers_)
    if (now - std::chrono::nanoseconds(worker->heartbeat()) > limit)
      return worker->settings().number;
  return std::nullopt;
}

void FastPath::stop() {
  if (launched_) {
    for (auto& worker : workers_) worker->stop();
    for (auto& worker : workers_) worker->join();
    launched_ = false;
  }
  if (!filter_) return;
  if (auto closed = filter_->close(); !closed) log("xdp")->warn("close {}", closed.error().text());
  filter_.reset();
}

FastPath::~FastPath() {
  stop();
  workers_.clear();  // their memory is DPDK's
  hand_over_.reset();
  exceptions_.clear();
  ports_.clear();
}

std::vector<xdp::Stat> FastPath::filter_statistics(const std::string& interface) const {
  if (!filter_) return {};
  auto statistics = filter_->statistics(interface);
  return statistics ? std::move(*statistics) : std::vector<xdp::Stat>{};
}

std::vector<MacAddress> FastPath::macs() const {
  std::vector<MacAddress> macs;
  for (const auto& port : ports_) macs.push_back(port.mac());
  return macs;
}

dataplane::Books FastPath::books() const {
  dataplane::Books books;
  for (const auto& worker : workers_) books.add(worker->counters());
  return books;
}

}  // namespace sluice::control
