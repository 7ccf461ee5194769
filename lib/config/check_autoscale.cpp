// SPDX-License-Identifier: Apache-2.0
// Rules of scaling: bounds that must not cross, what a budget can pay for, which key belongs to
// which actuator, and whether the backends on standby can enter the pool.
#include "config/cron.hpp"
#include "config/rules.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <string_view>

namespace sluice::config {
namespace {

std::string_view word(ActuatorType type) {
  switch (type) {
    case ActuatorType::kStandby:
      return "standby";
    case ActuatorType::kCommand:
      return "command";
    case ActuatorType::kWebhook:
      return "webhook";
    case ActuatorType::kKubernetes:
      return "kubernetes";
    case ActuatorType::kMetric:
      break;
  }
  return "metric";
}

/// One pool's, at its place.
class ScaleRules {
 public:
  ScaleRules(Rules& rules, const Pool& pool, const AddressOwners& services)
      : rules_(rules), pool_(pool), services_(services) {}

  void check() {
    classes_known_ = !rules_.damaged("classes");
    backends_known_ = !rules_.damaged("backends");
    pool_at_ = rules_.reader().place();
    rules_.reader().at("classes", [&] { classes(); });
    if (pool_.metrics) rules_.at("metrics", [&] { metrics(*pool_.metrics); });
    if (pool_.autoscale) rules_.at("autoscale", [&] { autoscale(*pool_.autoscale); });
  }

 private:
  // Whether a field of the pool could not be decoded.
  [[nodiscard]] bool damaged_in_pool(std::string_view pointer) const {
    return rules_.damaged_at(fmt::format("{}/{}", pool_at_, pointer));
  }

  void classes() {
    if (rules_.damaged_here()) return;
    rules_.distinct_names(pool_.classes);
    rules_.each(pool_.classes, [&](const BackendClass& one) {
      if (!rules_.damaged("max"))
        rules_.at("min", [&] {
          if (one.max != 0 && one.min > one.max)
            rules_.fault(fmt::format("{} is more than the maximum of {}", one.min, one.max),
                         "give min a smaller number or max a larger one");
        });
      if (!rules_.damaged("asleep"))
        rules_.at("wake_s", [&] {
          if (one.asleep != 0 && one.wake_s == 0)
            rules_.fault("is 0, but backends of the class shall sleep",
                         "give the seconds that one takes to wake, or let asleep be 0");
        });
    });
  }

  void metrics(const Metrics& metrics) {
    if (!rules_.damaged("interval_ms")) {
      rules_.at("timeout_ms", [&] {
        if (metrics.timeout > metrics.interval)
          rules_.fault(fmt::format("{} ms is longer than the interval of {} ms",
                                   metrics.timeout.count(), metrics.interval.count()),
                       "give a shorter timeout or a longer interval");
      });
      rules_.at("stale_after_ms", [&] {
        if (metrics.stale_after.count() != 0 && metrics.stale_after < metrics.interval)
          rules_.fault(fmt::format("{} ms is shorter than the interval of {} ms",
                                   metrics.stale_after.count(), metrics.interval.count()),
                       "give a longer time, or 0 for three intervals");
      });
    }
    if (rules_.damaged("type") || metrics.type != MetricsType::kCustom) return;
    for (const auto& choice :
         {std::pair("running", &metrics.running), std::pair("completed", &metrics.completed)})
      rules_.at(choice.first, [&] {
        if (!rules_.damaged("names") && choice.second->names.empty())
          rules_.fault("type 'custom' has no names of its own", "give names of the metric");
      });
  }

  void autoscale(const Autoscale& scale) {
    bounds(scale);
    of_classes(scale);
    budget(scale);
    if (!rules_.damaged("thresholds"))
      rules_.reader().at("thresholds", [&] {
        if (!rules_.damaged("up"))
          rules_.at("down", [&] {
            if (scale.thresholds.down >= scale.thresholds.up)
              rules_.fault(fmt::format("{} is not less than up, which is {}", scale.thresholds.down,
                                       scale.thresholds.up),
                           "give down a smaller number or up a larger one");
          });
      });
    schedule(scale);
    rules_.at("actuator", [&] { actuator(scale); });
  }

  void bounds(const Autoscale& scale) {
    if (!rules_.damaged("max"))
      rules_.at("min", [&] {
        if (scale.min > scale.max)
          rules_.fault(fmt::format("{} is more than the maximum of {}", scale.min, scale.max),
                       "give min a smaller number or max a larger one");
      });
    if (!damaged_in_pool("table_size") && scale.actuator.type != ActuatorType::kMetric)
      rules_.at("max", [&] {
        if (scale.max > pool_.table_size)
          rules_.fault(fmt::format("{} backends do not fit a table of {} entries", scale.max,
                                   pool_.table_size),
                       "give a smaller number, or the pool a larger table_size");
      });
    if (pool_.affinity == Affinity::kQuicCid && !damaged_in_pool("affinity") &&
        !rules_.damaged("actuator") && scale.actuator.type != ActuatorType::kMetric)
      rules_.at("actuator", [&] {
        rules_.fault("starts backends without a server_id, which affinity 'quic_cid' needs",
                     "take type 'metric', or another affinity");
      });
  }

  void of_classes(const Autoscale& scale) {
    if (!classes_known_) return;
    if (pool_.classes.empty()) {
      rules_.warning(
          "no class says what a backend can do: 1 request/s at no price, until it is learned",
          "add one to the pool's classes, with capacity and cold_start_s");
      return;
    }
    if (rules_.damaged("max") || damaged_class()) return;
    const auto sum = std::accumulate(
        pool_.classes.begin(), pool_.classes.end(), std::uint64_t{0},
        [](std::uint64_t so_far, const BackendClass& one) { return so_far + one.min; });
    rules_.at("max", [&] {
      if (sum > scale.max)
        rules_.fault(fmt::format("{} is less than the {} backends that the classes have at least",
                                 scale.max, sum),
                     "give a larger number, or the classes a smaller min");
    });
    if (rules_.damaged("min") ||
        std::ranges::any_of(pool_.classes, [](const BackendClass& one) { return one.max == 0; }))
      return;
    const auto most = std::accumulate(
        pool_.classes.begin(), pool_.classes.end(), std::uint64_t{0},
        [](std::uint64_t so_far, const BackendClass& one) { return so_far + one.max; });
    rules_.at("min", [&] {
      if (scale.min > most)
        rules_.fault(fmt::format("{} is more than the {} backends that the classes have at most",
                                 scale.min, most),
                     "give a smaller number, or the classes a larger max");
    });
  }

  // Whether a class or a number of one could not be decoded.
  [[nodiscard]] bool damaged_class() const {
    for (std::size_t i = 0; i < pool_.classes.size(); ++i)
      for (const std::string_view key : {"min", "max", "price_per_hour", "name"})
        if (damaged_in_pool(fmt::format("classes/{}/{}", i, key))) return true;
    return false;
  }

  // The cheapest that the pool may be: the least of each class, and the rest of `min` from the
  // cheapest that may have more.
  void budget(const Autoscale& scale) {
    if (scale.budget_per_hour == 0 || !classes_known_ || damaged_class() || rules_.damaged("min"))
      return;
    double cost = 0;
    std::uint64_t count = 0;
    std::vector<std::pair<double, std::uint64_t>> more;  // price, and how many
    for (const auto& one : pool_.classes) {
      cost += one.min * one.price_per_hour;
      count += one.min;
      more.emplace_back(one.price_per_hour,
                        one.max == 0 ? scale.min : one.max - std::min(one.max, one.min));
    }
    std::ranges::sort(more);
    for (const auto& [price, most] : more) {
      const auto taken =
          std::min<std::uint64_t>(most, scale.min - std::min<std::uint64_t>(scale.min, count));
      cost += static_cast<double>(taken) * price;
      count += taken;
    }
    rules_.at("budget_per_hour", [&] {
      if (cost > scale.budget_per_hour * (1 + 1e-9))
        rules_.fault(fmt::format("{} does not pay for the least number of backends, which cost {}",
                                 scale.budget_per_hour, cost),
                     "give a larger budget, or min a smaller number");
    });
  }

  void schedule(const Autoscale& scale) {
    const bool max_known = !rules_.damaged("max");
    rules_.at("schedule", [&] {
      if (scale.schedule.empty() && scale.policy == ScalePolicy::kScheduled)
        rules_.fault("policy 'scheduled' has no schedule", "give at least one entry");
      rules_.each(scale.schedule, [&](const ScheduleEntry& entry) {
        rules_.at("cron", [&] {
          if (const auto parsed = Cron::parse(entry.cron); !parsed)
            rules_.fault(parsed.error().text(),
                         "give minute, hour, day, month and weekday, as in 0 8 * * 1-5");
        });
        rules_.at("min", [&] {
          if (entry.max != 0 && entry.min > entry.max && !rules_.damaged_here())
            rules_.fault(fmt::format("{} is more than the maximum of {}", entry.min, entry.max),
                         "give min a smaller number or max a larger one");
          else if (max_known && entry.min > scale.max)
            rules_.fault(
                fmt::format("{} is more than the pool's maximum of {}", entry.min, scale.max),
                "give a smaller number, or the pool a larger max");
        });
      });
    });
  }

  void actuator(const Autoscale& scale) {
    if (rules_.damaged("type")) return;
    const auto& actuator = scale.actuator;
    using enum ActuatorType;
    const auto type = actuator.type;
    owned("backends", actuator.backends.empty(), type == kStandby, true,
          "give the servers that run, each with name and address");
    owned("command", actuator.command.empty(), type == kCommand, true,
          "give the program's path and its arguments");
    owned("url", actuator.url.empty(), type == kWebhook || type == kKubernetes, true,
          "give the server's URL");
    owned("secret_file", actuator.secret_file.empty(), type == kWebhook, true,
          "give the file of the key that orders are signed with");
    owned("token_file", actuator.token_file.empty(), type == kKubernetes, false, "");
    owned("ca_file", actuator.ca_file.empty(), type == kWebhook || type == kKubernetes, false, "");
    owned("namespace", actuator.name_space.empty(), type == kKubernetes, true,
          "give the namespace of the workload");
    owned("workload", actuator.workload.empty(), type == kKubernetes, true,
          "give deployments/NAME or statefulsets/NAME");
    owned("endpoints", actuator.endpoints.empty(), type == kKubernetes, true,
          "give the name of the Service whose endpoints are the backends");
    rules_.at("command", [&] {
      if (type == kCommand && !actuator.command.empty() && !rules_.damaged("0") &&
          !actuator.command.front().starts_with('/'))
        rules_.fault(fmt::format("{} is no absolute path", quoted(actuator.command.front())),
                     "give the program's path from '/' on");
    });
    if (type == kStandby) rules_.reader().at("backends", [&] { standby(scale); });
    if (type == kKubernetes && classes_known_ && pool_.classes.size() > 1)
      rules_.at("workload", [&] {
        rules_.fault(fmt::format("is one kind of backend, but the pool has {} classes",
                                 pool_.classes.size()),
                     "leave one class, or make a pool of each");
      });
    if ((type == kKubernetes || type == kMetric) && classes_known_)
      if (std::ranges::any_of(pool_.classes, [](const auto& one) { return one.asleep != 0; }))
        rules_.at("type", [&] {
          rules_.warning(fmt::format("'{}' cannot put backends to sleep, as a class asks for: they "
                                     "are stopped",
                                     word(type)),
                         "take another type, or let asleep be 0");
        });
  }

  // A key that belongs to some types of actuators, and that they cannot do without.
  void owned(std::string_view key, bool absent, bool own, bool required, std::string remedy) {
    rules_.at(key, [&] {
      const auto type = word(pool_.autoscale->actuator.type);
      if (!own && !absent)
        rules_.fault(fmt::format("is not of actuators of type '{}'", type),
                     "remove it, or take another type");
      else if (own && required && absent)
        rules_.fault(fmt::format("is required by type '{}'", type), std::move(remedy));
    });
  }

  void standby(const Autoscale& scale) {
    if (rules_.damaged_here()) return;
    const auto& standby = scale.actuator.backends;
    rules_.distinct_names(standby);
    const bool nat = pool_.forwarding == Forwarding::kNat;
    const auto where = [&](const auto& backend) {
      return nat && backend.port != 0
                 ? fmt::format("{} port {}", backend.address.text(), backend.port)
                 : backend.address.text();
    };
    rules_.distinct(standby, "address", "address", where);
    // One that is in the pool by this very name and address is the same server: so it stands in the
    // running configuration while it is wanted.
    std::map<std::string, std::string> names;      // address, by name
    std::map<std::string, std::string> addresses;  // name, by address
    if (backends_known_)
      for (const auto& backend : pool_.backends) {
        names.emplace(backend.name, where(backend));
        addresses.emplace(where(backend), backend.name);
      }
    const Names classes("class", pool_.classes, classes_known_);
    rules_.each(standby, [&](const StandbyBackend& backend) {
      rules_.at("name", [&] {
        const auto other = names.find(backend.name);
        if (other != names.end() && other->second != where(backend))
          rules_.fault(fmt::format("{} is a backend of the pool already, at {}",
                                   quoted(backend.name), other->second),
                       "name it once: here, or among the pool's backends");
      });
      rules_.at("address", [&] { address(backend, where(backend), addresses); });
      if (!backend.backend_class.empty()) rules_.refers("class", backend.backend_class, classes);
      if (backend.port != 0 && !nat && !damaged_in_pool("forwarding"))
        rules_.at("port", [&] {
          rules_.fault("the pool's forwarding keeps the service's port",
                       "remove it, or let the pool forward by 'nat'");
        });
    });
    const auto all = pool_.backends.size() +
                     static_cast<std::size_t>(std::ranges::count_if(
                         standby, [&](const auto& one) { return !names.contains(one.name); }));
    const auto autoscale_at = pool_at_ + "/autoscale";
    if (backends_known_ && !rules_.damaged_at(autoscale_at + "/min") && scale.min > all)
      rules_.fault(fmt::format("with those of the pool {} backends are there, fewer than the {} "
                               "that it has at least",
                               all, scale.min),
                   "add backends, or give min a smaller number");
  }

  void address(const StandbyBackend& backend, const std::string& where,
               const std::map<std::string, std::string>& listed) {
    const auto other = listed.find(where);
    if (other != listed.end() && other->second != backend.name)
      rules_.fault(
          fmt::format("{} is the address of the pool's backend {}", where, quoted(other->second)),
          "name it once: here, or among the pool's backends");
    if (const auto owner = services_.find(backend.address); owner != services_.end())
      rules_.fault(fmt::format("{} is the address of {}", backend.address.text(), owner->second),
                   "give the server's own address");
    const bool v4 = backend.address.is_v4();
    const std::string_view family = v4 ? "IPv4" : "IPv6";
    if (damaged_in_pool("forwarding")) return;
    const bool tunnel =
        pool_.forwarding == Forwarding::kIpip || pool_.forwarding == Forwarding::kGue;
    if (tunnel && pool_.encapsulation && !damaged_in_pool("encapsulation/source") &&
        !damaged_in_pool("encapsulation/source6") &&
        pool_.encapsulation->source_for(v4).is_unspecified())
      rules_.fault(fmt::format("no source of the tunnel is {}", family),
                   "give the pool's encapsulation a source of that family");
    if (tunnel || rules_.damaged_at("/services")) return;
    for (const auto& service : rules_.configuration().services)
      if (service.pool == pool_.name && !service.address.is_unspecified() &&
          service.address.is_v4() != v4) {
        rules_.fault(fmt::format("is {}, but service {} is not, and the pool's forwarding cannot "
                                 "join them",
                                 family, quoted(service.name)),
                     "give an address of the service's family");
        return;
      }
    if (pool_.forwarding == Forwarding::kNat && pool_.nat && !damaged_in_pool("nat/sources") &&
        std::ranges::none_of(pool_.nat->sources,
                             [&](const IpAddress& source) { return source.is_v4() == v4; }))
      rules_.fault(fmt::format("no source of the pool's nat is {}", family),
                   "add an address of the node of that family");
  }

  Rules& rules_;
  const Pool& pool_;
  const AddressOwners& services_;
  std::string pool_at_;
  bool classes_known_ = false;
  bool backends_known_ = false;
};

}  // namespace

void check_autoscale(Rules& rules, const Pool& pool, const AddressOwners& services) {
  ScaleRules(rules, pool, services).check();
}

}  // namespace sluice::config
