// SPDX-License-Identifier: Apache-2.0
#include "config/check.hpp"

#include "base/nearest.hpp"
#include "config/damage.hpp"
#include "config/lcores.hpp"
#include "config/names.hpp"
#include "config/reader.hpp"
#include "maglev/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace sluice::config {
namespace {

constexpr int kMostSuggestions = 20;          // each may look at 1000 names
constexpr std::size_t kMostBackends = 65535;  // of all pools: backend numbers have 16 bits

constexpr auto kRules = std::to_array<std::string_view>({
    "No object has a key twice.",
    "`dpdk.lcores` names lcores 0 to 127, each once, and at least two; `dpdk.main_lcore` is one of "
    "them.",
    "Names of ports, services and pools are unique, names and addresses of backends and names of "
    "classes within their pool.",
    "No two ports have the same device, whatever its parameters.",
    "All ports have the same number of queues, at most one for each worker.",
    "`neighbours[].address` is unique and has no bits set beyond the length of its prefix; "
    "`neighbours[].port` is the name of a port.",
    "No two services have the same address, port and protocol; `services[].pool` is the name of a "
    "pool.",
    "`pools[].table_size` is a prime number and not smaller than the number of backends.",
    "`pools[].encapsulation.source` is given when `forwarding` is `ipip`.",
    "No backend has the address of a service; `backends[].class` is the name of one of the pool's "
    "classes; all pools together have at most 65535 backends.",
    "`health.timeout_ms` is less than `health.interval_ms`; `autoscale.min` is not more than "
    "`autoscale.max`.",
});

class Checker {
 public:
  Checker(const Configuration& configuration, const std::vector<Fault>& known)
      : configuration_(configuration), damage_(known) {}

  Findings run() {
    reader_.at("dpdk", [&] { dpdk(); });
    reader_.at("ports", [&] { ports(); });
    reader_.at("neighbours", [&] { neighbours(); });
    reader_.at("services", [&] { services(); });
    reader_.at("pools", [&] { pools(); });
    return {reader_.take_faults(), reader_.take_warnings()};
  }

 private:
  /// Runs f(item) at every item of a list.
  void each(const auto& list, auto&& f) {
    for (std::size_t i = 0; i < list.size() && !reader_.full(); ++i)
      reader_.at(i, [&] { f(list[i]); });
  }

  /// Runs f at a field, unless the field could not be decoded.
  void at(std::string_view key, auto&& f) {
    reader_.at(key, [&] {
      if (!damage_.at(reader_.place())) f();
    });
  }

  [[nodiscard]] bool damaged(std::string_view key) {
    bool damaged = false;
    reader_.at(key, [&] { damaged = damage_.at(reader_.place()); });
    return damaged;
  }

  /// Every item's key, as `key_of` gives it, is its own. `what` names a kind: "port".
  void distinct(const auto& list, std::string_view key, std::string_view what, auto&& key_of) {
    const auto list_at = reader_.place();
    std::unordered_map<std::string, std::size_t> first;
    std::size_t i = 0;
    each(list, [&](const auto& item) {
      at(key, [&] {
        const std::string own = key_of(item);
        const auto [known, is_new] = first.emplace(own, i);
        if (!is_new)
          reader_.fault(
              fmt::format("{} is the {} of {}/{} too", quoted(own), what, list_at, known->second),
              "give each its own", Layer::kRule);
      });
      ++i;
    });
  }

  void distinct_names(const auto& list) {
    distinct(list, "name", "name", [](const auto& item) { return item.name; });
  }

  /// `name` at `key` is one of `names`. Silent while one of those is unknown.
  void refers(std::string_view key, std::string_view name, const Names& names) {
    if (names.contains(name) || !names.complete()) return;
    at(key, [&] {
      const bool suggest = suggestions_++ < kMostSuggestions;
      reader_.fault(fmt::format("there is no {} {}", names.what(), quoted(name)),
                    fmt::format("name one that exists or add it{}",
                                suggest ? did_you_mean(name, names.some()) : std::string()),
                    Layer::kRule);
    });
  }

  void dpdk() {
    const auto& dpdk = configuration_.dpdk;
    at("lcores", [&] {
      const auto lcores = parse_lcores(dpdk.lcores);
      if (!lcores) {
        reader_.fault(fmt::format("{}: {}", quoted(dpdk.lcores), lcores.error().what),
                      lcores.error().remedy, Layer::kRule);
      } else if (lcores->size() < 2) {
        reader_.fault(fmt::format("{} leaves no worker beside the main lcore", quoted(dpdk.lcores)),
                      "give at least two lcores", Layer::kRule);
      } else if (!std::ranges::binary_search(*lcores, dpdk.main_lcore)) {
        if (damaged_main_lcore()) return;
        main_lcore_fault_ = true;
      }
    });
    if (main_lcore_fault_)
      at("main_lcore", [&] {
        reader_.fault(
            fmt::format("lcore {} is not one of {}", dpdk.main_lcore, quoted(dpdk.lcores)),
            "choose one of dpdk.lcores or add it there", Layer::kRule);
      });
  }

  [[nodiscard]] bool damaged_main_lcore() const { return damage_.at("/dpdk/main_lcore"); }

  void ports() {
    const auto& ports = configuration_.ports;
    distinct_names(ports);
    distinct(ports, "device", "device",
             [](const Port& port) { return port.device.substr(0, port.device.find(',')); });
    if (ports.empty() || damage_.at("/ports") || damage_.at("/ports/0/queues")) return;
    each(ports, [&](const Port& port) {
      at("queues", [&] {
        if (port.queues != ports.front().queues)
          reader_.fault(fmt::format("{} queues, but the first port has {}", port.queues,
                                    ports.front().queues),
                        "give all ports the same number", Layer::kRule);
      });
    });
    const auto workers = configuration_.dpdk.workers().size();
    if (workers == 0 || damage_.at("/dpdk/lcores") || damage_.at("/dpdk/main_lcore") ||
        main_lcore_fault_)
      return;
    const std::size_t queues = ports.front().queues;
    reader_.at(std::size_t{0}, [&] {
      reader_.at("queues", [&] {
        if (queues > workers)
          reader_.fault(
              fmt::format("{} queues, but {} worker{}", queues, workers, workers == 1 ? "" : "s"),
              "give at most one queue for each worker, or more dpdk.lcores", Layer::kRule);
        else if (queues < workers)
          reader_.warning(fmt::format("{} queues leave {} of {} workers idle", queues,
                                      workers - queues, workers),
                          "give each worker a queue, or fewer dpdk.lcores");
      });
    });
  }

  void neighbours() {
    distinct(configuration_.neighbours, "address", "address",
             [](const Neighbour& neighbour) { return neighbour.address.text(); });
    const Names ports("port", configuration_.ports, !damage_.at("/ports"));
    each(configuration_.neighbours,
         [&](const Neighbour& neighbour) { refers("port", neighbour.port, ports); });
  }

  void services() {
    distinct_names(configuration_.services);
    const Names pools("pool", configuration_.pools, !damage_.at("/pools"));
    std::map<std::tuple<IpAddress, std::uint16_t, Protocol>, std::string_view> listeners;
    each(configuration_.services, [&](const Service& service) {
      if (!damaged("address") && !damaged("port") && !damaged("protocol")) {
        const auto [known, is_new] = listeners.try_emplace(
            std::tuple(service.address, service.port, service.protocol), service.name);
        if (!is_new)
          reader_.fault(fmt::format("address, port and protocol are those of service {}",
                                    quoted(known->second)),
                        "change one of the three, or remove one of the services", Layer::kRule);
      }
      refers("pool", service.pool, pools);
    });
  }

  void pools() {
    distinct_names(configuration_.pools);
    std::unordered_map<std::string, std::string_view> service_of;
    for (const auto& service : configuration_.services)
      if (!service.address.is_unspecified())
        service_of.emplace(service.address.text(), service.name);
    std::size_t backends = 0;
    each(configuration_.pools, [&](const Pool& pool) {
      table_size(pool);
      tunnel(pool);
      reader_.at("classes", [&] { distinct_names(pool.classes); });
      reader_.at("backends", [&] { this->backends(pool, service_of); });
      at("health", [&] { health(pool); });
      at("autoscale", [&] { autoscale(pool); });
      if (!pool.classes.empty())
        at("classes", [&] {
          reader_.warning("accepted, but this version does not act on it",
                          "classes count from the version that scales pools");
        });
      backends += pool.backends.size();
      if (backends > kMostBackends && backends - pool.backends.size() <= kMostBackends)
        at("backends", [&] {
          reader_.fault(fmt::format("more than {} backends in all pools together", kMostBackends),
                        "spread them over several nodes", Layer::kRule);
        });
    });
  }

  void table_size(const Pool& pool) {
    at("table_size", [&] {
      if (!maglev::is_prime(pool.table_size)) {
        const auto [below, above] = maglev::nearest_primes(pool.table_size);
        reader_.fault(fmt::format("{} is not a prime number", pool.table_size),
                      fmt::format("the nearest are {} and {}", below, above), Layer::kRule);
      } else if (pool.table_size < pool.backends.size()) {
        reader_.fault(
            fmt::format("{} entries are too few for {} backends", pool.table_size,
                        pool.backends.size()),
            fmt::format("give a larger prime number; the default is {}", Pool().table_size),
            Layer::kRule);
      }
    });
  }

  void tunnel(const Pool& pool) {
    if (pool.forwarding != Forwarding::kIpip || !pool.encapsulation_source.is_unspecified() ||
        damaged("forwarding") || damaged("encapsulation"))
      return;
    reader_.at("encapsulation", [&] {
      at("source", [&] {
        reader_.fault("is required by forwarding 'ipip'",
                      "give the node's own address that tunnelled packets come from", Layer::kRule);
      });
    });
  }

  void backends(const Pool& pool,
                const std::unordered_map<std::string, std::string_view>& service_of) {
    if (damage_.at(reader_.place())) return;
    if (pool.backends.empty())
      reader_.warning("the pool has no backends, so its services drop what they get",
                      "add one here or with 'sluicectl backend add'");
    distinct_names(pool.backends);
    distinct(pool.backends, "address", "address",
             [](const Backend& backend) { return backend.address.text(); });
    const auto backends_at = reader_.place();
    const auto pool_at = backends_at.substr(0, backends_at.rfind('/'));
    const Names classes("class", pool.classes, !damage_.at(pool_at + "/classes"));
    each(pool.backends, [&](const Backend& backend) {
      at("address", [&] {
        const auto service = service_of.find(backend.address.text());
        if (service != service_of.end())
          reader_.fault(fmt::format("{} is the address of service {}", backend.address.text(),
                                    quoted(service->second)),
                        "give the server's own address", Layer::kRule);
      });
      if (!backend.backend_class.empty()) refers("class", backend.backend_class, classes);
    });
  }

  void health(const Pool& pool) {
    if (!pool.health) return;
    if (!damaged("interval_ms"))
      at("timeout_ms", [&] {
        if (pool.health->timeout >= pool.health->interval)
          reader_.fault(fmt::format("{} ms is not shorter than the interval of {} ms",
                                    pool.health->timeout.count(), pool.health->interval.count()),
                        "give a shorter timeout or a longer interval", Layer::kRule);
      });
    reader_.warning("accepted, but this version does not act on it; backends count as up",
                    "watch the backends by other means");
  }

  void autoscale(const Pool& pool) {
    if (!pool.autoscale) return;
    if (!damaged("max"))
      at("min", [&] {
        if (pool.autoscale->min > pool.autoscale->max)
          reader_.fault(fmt::format("{} is more than the maximum of {}", pool.autoscale->min,
                                    pool.autoscale->max),
                        "give min a smaller number or max a larger one", Layer::kRule);
      });
    reader_.warning("accepted, but this version does not act on it; the pool keeps its size",
                    "add and remove backends with 'sluicectl backend'");
  }

  const Configuration& configuration_;
  Damage damage_;
  Reader reader_;
  bool main_lcore_fault_ = false;
  int suggestions_ = 0;
};

}  // namespace

Findings check(const Configuration& configuration, const std::vector<Fault>& known) {
  return Checker(configuration, known).run();
}

std::span<const std::string_view> rules() noexcept { return kRules; }

}  // namespace sluice::config
