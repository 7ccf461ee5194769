// SPDX-License-Identifier: Apache-2.0
// How pools and backends are, and why.
#include "control/health_keeper.hpp"
#include "control/health_targets.hpp"
#include "control/list_text.hpp"
#include "control/view_backends.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace sluice::control {
namespace {

using health::Standing;

double seconds_since(health::Time then, health::Time now) {
  return std::chrono::duration<double>(now - then).count();
}

// Objects key by key, without look-ups or temporaries, as in put_pool_backends(): a node may have
// tens of thousands of these.
class Object {
 public:
  explicit Object(std::size_t keys) { object_.reserve(keys); }
  void add(const char* key, auto&& value) {
    object_.emplace_back(key, std::forward<decltype(value)>(value));
  }
  Json take() { return std::move(object_); }

 private:
  Json::object_t object_;
};

Json last_answer(const Standing& standing) {
  if (!standing.last) return nullptr;
  Object out(4);
  out.add("ok", standing.last->ok());
  out.add("fault", health::name(standing.last->fault));
  out.add("took_ms", std::chrono::duration<double, std::milli>(standing.last->took).count());
  out.add("detail", standing.last->detail);
  return out.take();
}

// Those that were answered well, and the others.
std::pair<std::uint64_t, std::uint64_t> probes_of(const ProbeCounts* counts) {
  if (counts == nullptr) return {};
  const auto good = counts->by_fault[static_cast<std::size_t>(health::Fault::kNone)];
  std::uint64_t all = 0;
  for (const auto n : counts->by_fault) all += n;
  return {good, all - good};
}

Json probes(const HealthRow& row) {
  Object out(2);
  out.add("good", row.good_probes);
  out.add("failed", row.failed_probes);
  return out.take();
}

// What mends a check that fails so; `service`: the first one of the pool, if any.
std::string remedy_of_fault(const config::Pool& pool, const config::Backend& backend,
                            const config::Service* service, health::Fault fault) {
  const auto on = fmt::format("on {}: ", backend.name);
  const bool as_service =
      service != nullptr && pool.health && pool.health->via == config::Via::kService;
  std::uint16_t port = pool.health ? pool.health->port : 0;
  if (port == 0) port = backend.port;
  if (port == 0 && service != nullptr) port = service->port;
  switch (fault) {
    case health::Fault::kRefused:
      return fmt::format(
          "nobody listens on port {}: {}start the server there, or set the health "
          "check's \"port\" to where it listens",
          port, on);
    case health::Fault::kTimeout:
    case health::Fault::kUnreachable:
      if (as_service)
        return fmt::format("VIP missing, or its packets filtered: {}ip addr add {}/{} dev lo", on,
                           service->address.text(), service->address.bits());
      return fmt::format("ping {}; {}look at the server and its packet filter",
                         backend.address.text(), on);
    case health::Fault::kNone:
    case health::Fault::kLocal:
      return {};
    default:
      return on + "look at the server's log: it answers, but not as the check expects";
  }
}

// What to do about a backend that gets no flows; empty: nothing.
std::string remedy_of(const Scene& scene, const config::Pool& pool, const config::Backend& backend,
                      const Standing& standing, const config::Service* service) {
  const auto ctl = [&](std::string_view verb, std::string_view value) {
    return fmt::format("sluicectl backend {} {} {}{}", verb, pool.name, backend.name, value);
  };
  if (standing.wish != health::Wish::kServe) return ctl("undrain", "");
  if (backend.weight == 0) return ctl("weight", " 100");
  if (usable_hop(scene.model.reach(backend.address), pool.forwarding) == nullptr)
    return fmt::format("neighbour unresolved: ip neigh show {}; mend its address, cable or VLAN",
                       backend.address.text());
  if (health::takes_new_flows(standing.state) || !standing.last) return {};
  return remedy_of_fault(pool, backend, service, standing.last->fault);
}

Json backend_json(const HealthRow& row, health::Time now) {
  const auto& standing = row.standing;
  Object out(17);
  out.add("name", standing.name);
  out.add("state", health::name(standing.state));
  out.add("since_s", seconds_since(standing.since, now));
  out.add("operator", word(standing.wish));
  out.add("checked", health::name(standing.checked));
  out.add("takes_new_flows", standing.takes_new_flows);
  out.add("keeps_flows", standing.keeps_flows);
  out.add("active_flows", row.active_flows);
  out.add("last", last_answer(standing));
  out.add("good_in_a_row", standing.good);
  out.add("failed_in_a_row", standing.bad);
  out.add("probes", probes(row));
  out.add("ejections", standing.ejections);
  out.add("ejected_for_s", standing.ejected_until
                               ? std::max(0.0, -seconds_since(*standing.ejected_until, now))
                               : 0.0);
  out.add("flaps", standing.flaps);
  out.add("hold_s", std::chrono::duration<double>(standing.hold).count());
  out.add("remedy", row.remedy);
  return out.take();
}

Json backends_json(const PoolHealthRow& row, Stretch stretch) {
  Json backends = Json::array();
  for (std::size_t b = stretch.from; b < stretch.end(row.backends.size()); ++b)
    backends.push_back(backend_json(row.backends[b], row.now));
  return backends;
}

// The pool's backends are in its health in the same order, unless one of the two is older.
const config::Backend* find(const config::Pool& pool, std::size_t at, const std::string& name) {
  if (at < pool.backends.size() && pool.backends[at].name == name) return &pool.backends[at];
  const auto found = std::ranges::find(pool.backends, name, &config::Backend::name);
  return found == pool.backends.end() ? nullptr : &*found;
}

}  // namespace

PoolStates::PoolStates(const Scene& scene, const config::Pool& pool) : scene_(scene), pool_(pool) {
  const auto* health = scene.health == nullptr ? nullptr : scene.health->pool(pool.name);
  if (health == nullptr) return;
  for (const auto& standing : health->standings()) states_.emplace(standing.name, standing.state);
}

std::string_view PoolStates::of(const config::Backend& backend) const {
  const auto use = scene_.model.use(pool_, backend);
  const auto at = states_.find(backend.name);
  // Weight 0 is a drain without the name.
  if (at != states_.end() && (backend.weight != 0 || !health::takes_new_flows(at->second)))
    return health::name(at->second);
  if (!use.keeps_flows) return health::name(health::State::kMaintenance);
  return health::name(use.takes_new_flows ? health::State::kUp : health::State::kDraining);
}

namespace {

std::optional<PoolHealthRow> read_health(const Scene& scene, const config::Pool& pool,
                                         const FirstServices& services, Stretch stretch) {
  const auto* health = scene.health == nullptr ? nullptr : scene.health->pool(pool.name);
  if (health == nullptr) return std::nullopt;
  const auto first = services.find(pool.name);
  const auto* const service = first == services.end() ? nullptr : first->second;
  PoolHealthRow row{.name = pool.name,
                    .state = health::name(health->state()),
                    .since = health->since(),
                    .probed = pool.health.has_value(),
                    .watched = pool.outlier.has_value(),
                    .panic = health->panic(),
                    .now = EventLoop::Clock::now(),
                    .backends = {}};
  auto standings = health->standings();
  for (std::size_t b = stretch.from; b < stretch.end(standings.size()); ++b) {
    auto& standing = standings[b];
    const auto [good, failed] = probes_of(scene.health->counts(pool.name, standing.name));
    // Null: it has left the pool, and health has not been told yet.
    const auto* backend = find(pool, b, standing.name);
    row.backends.push_back(
        {.standing = {},
         .active_flows = scene.fast_path.active_flows(scene.model.number(pool.name, standing.name)),
         .good_probes = good,
         .failed_probes = failed,
         .remedy = backend == nullptr ? std::string()
                                      : remedy_of(scene, pool, *backend, standing, service)});
    row.backends.back().standing = std::move(standing);
  }
  return row;
}

}  // namespace

std::optional<PoolHealthRow> health_row(const Scene& scene, std::size_t pool, Stretch stretch) {
  const auto& running = scene.model.running();
  return read_health(scene, running.pools[pool], first_services(running), stretch);
}

Json to_json(const PoolHealthRow& row, Stretch stretch) {
  return {{"name", row.name},
          {"state", row.state},
          {"since_s", seconds_since(row.since, row.now)},
          {"probed", row.probed},
          {"watched", row.watched},
          {"panic", row.panic},
          {"backends", backends_json(row, stretch)}};
}

Json health_of(const Scene& scene, std::size_t pool, Stretch stretch) {
  const auto row = health_row(scene, pool, stretch);
  return row ? to_json(*row) : Json(nullptr);
}

HealthText::HealthText(const Scene& scene, const std::string& wanted) {
  const auto services = first_services(scene.model.running());
  for (const auto& pool : scene.model.running().pools) {
    if (!wanted.empty() && pool.name != wanted) continue;
    if (auto row = read_health(scene, pool, services, {})) pools_.push_back(std::move(*row));
  }
}

Json HealthText::json() const {
  Json pools = Json::array();
  for (const auto& row : pools_) pools.push_back(to_json(row));
  return {{"pools", std::move(pools)}};
}

bool HealthText::next(std::string& out) {
  if (ended_) return false;
  if (pools_.empty()) {
    out += "{\n  \"pools\": []\n}\n";
    return ended_ = true;
  }
  if (pool_ == 0 && at_ == 0) out += "{\n  \"pools\": [\n";
  // A pool counts as a backend: there may be many of few.
  for (std::size_t left = kRowsPerPiece; left > 0 && pool_ < pools_.size(); --left) {
    const auto& row = pools_[pool_];
    const Stretch some{at_, left};
    if (at_ == 0 && pool_ != 0) out += ",\n";
    if (at_ == 0) {
      Json first = Json::array();
      first.push_back(to_json(row, some));
      out += elements(std::move(first), 1);
      constexpr std::string_view kEnd = "\n      ]\n    }";
      if (!row.backends.empty()) out.resize(out.size() - kEnd.size());
    } else {
      out += ",\n" + elements(backends_json(row, some), 2);
    }
    left -= std::min(left - 1, some.end(row.backends.size()) - at_);
    at_ = some.end(row.backends.size());
    if (at_ < row.backends.size()) break;
    if (!row.backends.empty()) out += "\n      ]\n    }";
    at_ = 0;
    ++pool_;
  }
  ended_ = pool_ == pools_.size();
  if (ended_) out += kEndOfList;
  return true;
}

Json view_health(const Scene& scene, const std::string& wanted) {
  return HealthText(scene, wanted).json();
}

}  // namespace sluice::control
