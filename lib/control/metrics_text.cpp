// SPDX-License-Identifier: Apache-2.0
#include "control/metrics_text.hpp"

#include "control/health_keeper.hpp"
#include "control/metrics.hpp"
#include "control/traffic.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::control {
namespace {

using telemetry::Exposition;

struct ServiceFigures {
  std::string labels;
  Traffic traffic;
};

struct PoolFigures {
  std::string labels;
  std::size_t end = 0;  ///< Index of the backend after its last.
  std::shared_ptr<const snapshot::PoolTable> table;
  std::span<const maglev::Slot> slots;  ///< Of the table.
  bool panic = false;
  std::optional<ProbeCounts> checks;  ///< Absent: its health is not kept.
};

struct BackendFigures {
  std::uint32_t labels_at = 0;  ///< In Figures::labels.
  std::uint32_t labels_size = 0;
  std::uint16_t number = 0;
  bool health_known = false;
  bool takes_new_flows = false;
  bool asked = false;
  health::State state = health::State::kStarting;
  std::uint32_t weight = 0;
  std::uint32_t falls = 0;
  Traffic traffic;
  decltype(ProbeCounts::by_fault) checks{};
};

/// A family of which there may be as many samples as backends, or services, or pools.
struct Rows {
  FamilyName family;
  std::size_t count;
  std::function<void(Exposition& out, std::size_t row)> put;
};

double seconds_of(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

struct MetricsText::Figures {
  explicit Figures(const Scene& scene);

  void read_services(const Scene& scene);
  void read_backends(const Scene& scene);
  void read_health(const Scene& scene, std::size_t pool, std::size_t first);
  void lay_out(bool with_health);
  void add(FamilyName of, std::size_t count, auto put) {
    rows.push_back({of, count, std::move(put)});
  }
  /// A family with a sample for each backend.
  void each_backend(FamilyName of, auto put) {
    add(of, backends.size(),
        [this, put](Exposition& to, std::size_t i) { put(to, backends[i], labels_of(i)); });
  }
  [[nodiscard]] std::string_view labels_of(std::size_t backend) const {
    return std::string_view(labels).substr(backends[backend].labels_at,
                                           backends[backend].labels_size);
  }
  double table_share(std::size_t backend);

  std::vector<ServiceFigures> services;
  std::vector<PoolFigures> pools;
  std::vector<BackendFigures> backends;  ///< Pool by pool.
  std::string labels;                    ///< Of all backends, end to end.
  std::vector<Rows> rows;
  // Where the writing is.
  Exposition out;
  std::size_t family = 0;
  std::size_t row = 0;
  bool begun = false;  ///< The family's description is written.
  bool ended = false;
  std::size_t counted_pool = 0;        ///< Its table's entries are counted in `entries`.
  std::vector<std::uint32_t> entries;  ///< By backend number.
};

MetricsText::Figures::Figures(const Scene& scene) {
  put_node(out, scene);
  put_slow_path(out, scene);
  put_ports(out, scene);
  put_workers(out, scene);
  put_driver(out, scene.fast_path);
  if (scene.load != nullptr) put_load(out, *scene.load);
  if (scene.scale != nullptr) put_scale(out, *scene.scale);
  read_services(scene);
  read_backends(scene);
  lay_out(scene.health != nullptr);
}

void MetricsText::Figures::read_services(const Scene& scene) {
  for (const auto& service : scene.model.running().services) {
    auto& one = services.emplace_back();
    telemetry::put_label(one.labels, "service", service.name);
    one.traffic = traffic_of_service(scene.fast_path, scene.model.number(service));
  }
}

void MetricsText::Figures::read_backends(const Scene& scene) {
  const auto& running = scene.model.running().pools;
  const auto& now = scene.model.snapshot();
  std::size_t count = 0;
  for (const auto& pool : running) count += pool.backends.size();
  backends.reserve(count);
  pools.reserve(running.size());
  entries.resize(now.backends.size());
  counted_pool = running.size();
  for (std::size_t p = 0; p < running.size(); ++p) {
    const std::size_t first = backends.size();
    auto& pool = pools.emplace_back();
    telemetry::put_label(pool.labels, "pool", running[p].name);
    pool.end = first + running[p].backends.size();
    pool.table = now.tables[p];
    pool.slots = now.pools[p].slots;
    for (std::size_t b = 0; b < running[p].backends.size(); ++b) {
      auto& one = backends.emplace_back();
      one.labels_at = static_cast<std::uint32_t>(labels.size());
      labels += pool.labels;
      labels += ',';
      std::string name;  // put_label() puts a comma only behind what is there
      telemetry::put_label(name, "backend", running[p].backends[b].name);
      labels += name;
      one.labels_size = static_cast<std::uint32_t>(labels.size()) - one.labels_at;
      one.number = now.input.pools[p].backends[b].number;  // as the model has them, in its order
      one.weight = running[p].backends[b].weight;
      one.traffic = traffic_of_backend(scene.fast_path, one.number);
    }
    read_health(scene, p, first);
  }
}

void MetricsText::Figures::read_health(const Scene& scene, std::size_t pool, std::size_t first) {
  if (scene.health == nullptr) return;
  const auto& running = scene.model.running().pools[pool];
  const auto* health = scene.health->pool(running.name);
  if (health == nullptr) return;
  pools[pool].panic = health->panic();
  if (const auto* checks = scene.health->counts(running.name)) pools[pool].checks = *checks;
  std::size_t b = 0;
  health->each([&](const health::PoolHealth::Glance& seen) {
    if (b >= running.backends.size() || running.backends[b].name != seen.name) return;
    auto& one = backends[first + b++];
    one.health_known = true;
    one.takes_new_flows = seen.takes_new_flows;
    one.state = seen.machine.state();
    one.falls = seen.machine.flaps();
    if (const auto* counts = scene.health->counts(running.name, seen.name)) {
      one.asked = true;
      one.checks = counts->by_fault;
    }
  });
}

// Share of its pool's table. The table is looked through once, when the first of the pool is asked
// for.
double MetricsText::Figures::table_share(std::size_t backend) {
  std::size_t pool = counted_pool < pools.size() ? counted_pool : 0;
  if (counted_pool >= pools.size() || backend >= pools[pool].end) {
    while (backend >= pools[pool].end) ++pool;
    for (const auto number : pools[pool].slots) ++entries[number];
    counted_pool = pool;
  }
  const auto held = std::exchange(entries[backends[backend].number], 0);  // ready for the next pool
  const auto slots = pools[pool].slots.size();
  return slots == 0 ? 0.0 : static_cast<double>(held) / static_cast<double>(slots);
}

void MetricsText::Figures::lay_out(bool with_health) {
  const auto each_service = [this](FamilyName of, std::uint64_t Traffic::*field) {
    add(of, services.size(), [this, field](Exposition& to, std::size_t i) {
      to.row(services[i].traffic.*field, services[i].labels);
    });
  };
  each_service("sluice_service_packets", &Traffic::packets);
  each_service("sluice_service_bytes", &Traffic::bytes);
  each_service("sluice_service_new_flows", &Traffic::new_flows);
  each_service("sluice_service_unserved_flows", &Traffic::unserved);
  const auto traffic = [this](FamilyName of, std::uint64_t Traffic::*field) {
    each_backend(of, [field](Exposition& to, const BackendFigures& one, std::string_view who) {
      to.row(one.traffic.*field, who);
    });
  };
  traffic("sluice_backend_packets", &Traffic::packets);
  traffic("sluice_backend_bytes", &Traffic::bytes);
  traffic("sluice_backend_new_flows", &Traffic::new_flows);
  each_backend("sluice_backend_weight", [](Exposition& to, const auto& one, auto who) {
    to.row(std::uint64_t{one.weight}, who);
  });
  add("sluice_backend_table_ratio", backends.size(),
      [this](Exposition& to, std::size_t i) { to.row(table_share(i), labels_of(i)); });
  if (!with_health) return;
  each_backend("sluice_backend_up", [](Exposition& to, const auto& one, auto who) {
    if (one.health_known) to.row(std::uint64_t{one.takes_new_flows ? 1U : 0U}, who);
  });
  each_backend("sluice_backend_state", [](Exposition& to, const auto& one, auto who) {
    if (one.health_known) to.row(std::uint64_t{1}, who, "state", health::name(one.state));
  });
  each_backend("sluice_backend_falls", [](Exposition& to, const auto& one, auto who) {
    if (one.health_known) to.row(std::uint64_t{one.falls}, who);
  });
  add("sluice_pool_panic", pools.size(), [this](Exposition& to, std::size_t i) {
    to.row(std::uint64_t{pools[i].panic ? 1U : 0U}, pools[i].labels);
  });
  each_backend("sluice_health_checks", [](Exposition& to, const auto& one, auto who) {
    if (!one.asked) return;
    for (std::size_t fault = 0; fault < one.checks.size(); ++fault)
      if (const auto n = one.checks[fault]; n != 0 || fault == 0)
        to.row(n, who, "result",
               fault == 0 ? "good" : health::name(static_cast<health::Fault>(fault)));
  });
  // By pool, not by backend: ten series each would be too many for a thousand backends.
  add("sluice_health_check_duration_seconds", pools.size(), [this](Exposition& to, std::size_t i) {
    if (const auto& checks = pools[i].checks)
      to.histogram(ProbeCounts::kBounds, checks->by_time, seconds_of(checks->time),
                   pools[i].labels);
  });
}

MetricsText::MetricsText(const Scene& scene) : figures_(std::make_unique<Figures>(scene)) {}
MetricsText::MetricsText(MetricsText&&) noexcept = default;
MetricsText& MetricsText::operator=(MetricsText&&) noexcept = default;
MetricsText::~MetricsText() = default;

bool MetricsText::next(std::string& out) {
  Figures& f = *figures_;
  while (f.out.size() < kPiece && f.family < f.rows.size()) {
    Rows& rows = f.rows[f.family];
    if (!std::exchange(f.begun, true)) f.out.begin(rows.family.row);
    while (f.row < rows.count && f.out.size() < kPiece) rows.put(f.out, f.row++);
    if (f.row < rows.count) break;
    ++f.family;
    f.row = 0;
    f.begun = false;
  }
  if (f.family == f.rows.size() && !std::exchange(f.ended, true)) f.out.end();
  if (f.out.size() == 0) return false;
  f.out.move_to(out);
  return true;
}

std::string metrics(const Scene& scene) {
  MetricsText text(scene);
  std::string whole;
  while (text.next(whole)) {
  }
  return whole;
}

}  // namespace sluice::control
