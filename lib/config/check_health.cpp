// SPDX-License-Identifier: Apache-2.0
// Rules of health: what belongs to which type of check, and times that must not cross.
#include "config/rules.hpp"
#include "config/words.hpp"

#include <algorithm>

namespace sluice::config {
namespace {

class HealthRules {
 public:
  HealthRules(Rules& rules, const Health& health) : rules_(rules), health_(health) {}

  void check() {
    times();
    if (rules_.damaged("type")) return;
    rules_.at("via", [&] {
      if (health_.via == Via::kService && health_.type != CheckType::kTcp)
        rules_.fault("only type 'tcp' is probed at the service's address",
                     "take type 'tcp', or leave via away");
    });
    rules_.at("command", [&] {
      const bool runs = health_.type == CheckType::kCommand;
      if (runs && health_.command.empty())
        rules_.fault("type 'command' has no program", "give its path and arguments");
      else if (runs && !health_.command.front().starts_with('/'))
        rules_.fault(fmt::format("{} is no absolute path", quoted(health_.command.front())),
                     "give the program's path from '/' on");
      else if (!runs && !health_.command.empty())
        unused("command", "'command'");
    });
    const bool http = health_.is_http();
    if (!http) {
      only("path", health_.path.empty(), "HTTP");
      only("host", health_.host.empty(), "HTTP");
      only("expect_status", health_.expect_status.empty(), "HTTP");
      only("expect_body", health_.expect_body.empty(), "HTTP");
      only("load_header", health_.load_header.empty(), "HTTP");
    }
    if (health_.type != CheckType::kGrpc)
      only("grpc_service", health_.grpc_service.empty(), "'grpc'");
    if (health_.type != CheckType::kHttps) {
      only("tls_name", health_.tls_name.empty(), "'https'");
      only("tls_ca", health_.tls_ca.empty(), "'https'");
    }
  }

 private:
  void times() {
    const bool known = !rules_.damaged("interval_ms");
    if (known)
      rules_.at("timeout_ms", [&] {
        if (health_.timeout >= health_.interval)
          rules_.fault(fmt::format("{} ms is not shorter than the interval of {} ms",
                                   health_.timeout.count(), health_.interval.count()),
                       "give a shorter timeout or a longer interval");
      });
    if (known)
      rules_.at("fast_interval_ms", [&] {
        if (health_.fast_interval > health_.interval)
          rules_.fault(fmt::format("{} ms is longer than the interval of {} ms",
                                   health_.fast_interval.count(), health_.interval.count()),
                       "give a shorter fast interval, or 0");
      });
  }

  void only(std::string_view key, bool absent, std::string_view type) {
    if (absent) return;
    rules_.at(key, [&] { unused(key, type); });
  }
  void unused(std::string_view key, std::string_view type) {
    rules_.fault(fmt::format("{} is for checks by {} only", quoted(key), type),
                 "remove it, or take another type");
  }

  Rules& rules_;
  const Health& health_;
};

}  // namespace

void check_health(Rules& rules, const Pool& pool) {
  if (pool.health) rules.at("health", [&] { HealthRules(rules, *pool.health).check(); });
  if (pool.outlier)
    rules.at("outlier", [&] {
      if (rules.damaged("base_ejection_s")) return;
      rules.at("max_ejection_s", [&] {
        if (pool.outlier->max_ejection < pool.outlier->base_ejection)
          rules.fault(
              fmt::format("{} s is shorter than the first ejection of {} s",
                          pool.outlier->max_ejection.count(), pool.outlier->base_ejection.count()),
              "give a longer max_ejection_s or a shorter base_ejection_s");
      });
    });
}

void check_filter(Rules& rules) {
  const auto& c = rules.configuration();
  if (std::ranges::any_of(c.ports, [](const Port& port) { return port.is_af_xdp(); })) return;
  const auto warn = [&](std::string_view key, bool wanted) {
    if (!wanted) return;
    rules.at(key, [&] {
      rules.warning("is the XDP filter's work, and no port has one",
                    "give it a port on a net_af_xdp device, or leave it away");
    });
  };
  rules.reader().at("protection", [&] {
    warn("deny", !c.protection.deny.empty());
    warn("syn_per_second", c.protection.syn_per_second != 0);
  });
  warn("answer", c.answer.has_value());
}

}  // namespace sluice::config
