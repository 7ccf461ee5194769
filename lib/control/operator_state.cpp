// SPDX-License-Identifier: Apache-2.0
#include "control/operator_state.hpp"

#include "base/state_file.hpp"
#include "packet/quic_lb.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iterator>
#include <stdexcept>

namespace sluice::control {
namespace {

using Parsed = nlohmann::json;

constexpr unsigned kVersion = 1;
constexpr std::size_t kLongestName = 64;
constexpr std::uint64_t kMostWeight = 65535;  // as in the configuration, like the two below
constexpr std::uint64_t kMostPort = 65535;
constexpr std::uint64_t kMostConnections = 1'000'000'000;
constexpr std::uint64_t kMostGeneration = std::uint64_t{1} << 62U;  // it goes on being counted up

std::filesystem::path path_in(const std::string& directory) {
  return std::filesystem::path(directory) / "operator.json";
}

auto named(const std::string& name) {
  return [&name](const config::Backend& b) { return b.name == name; };
}

Parsed encode(const OperatorState& state) {
  Parsed pools = Parsed::object();
  for (const auto& [name, changes] : state.pools) {
    if (changes.empty()) continue;
    Parsed added = Parsed::array();
    for (const auto& b : changes.added)
      added.push_back({{"name", b.name},
                       {"address", b.address.text()},
                       {"weight", b.weight},
                       {"class", b.backend_class},
                       {"port", b.port},
                       {"max_connections", b.max_connections},
                       {"server_id", b.server_id}});
    pools[name] = {{"added", std::move(added)},
                   {"removed", changes.removed},
                   {"weights", changes.weights},
                   {"drained", changes.drained},
                   {"maintenance", changes.maintenance}};
  }
  return {{"generation", state.generation}, {"pools", std::move(pools)}};
}

// What the file may say is what the admin API would have taken: anything else was not written here.
// The functions throw, as the library does on a value of another type.

std::uint64_t whole_in(const Parsed& value, std::uint64_t most) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most)
    throw std::out_of_range(fmt::format("a whole number up to {} was expected", most));
  return value.get<std::uint64_t>();
}

const Parsed::object_t& object_in(const Parsed& value) {
  return value.get_ref<const Parsed::object_t&>();
}

std::uint32_t weight_in(const Parsed& value) {
  return static_cast<std::uint32_t>(whole_in(value, kMostWeight));
}

std::string name_in(std::string name) {
  const auto sound = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
  };
  if (name.empty() || name.size() > kLongestName || !std::ranges::all_of(name, sound))
    throw std::invalid_argument("a name was expected");
  return name;
}

std::set<std::string> names_in(const Parsed& array) {
  std::set<std::string> names;
  for (const auto& name : array.get<std::vector<std::string>>()) names.insert(name_in(name));
  return names;
}

std::string server_id_in(std::string id) {
  if (!id.empty() && !ServerId::parse(id)) throw std::invalid_argument("a server id was expected");
  return id;
}

config::Backend decode_backend(const Parsed& object) {
  const auto address = IpAddress::parse(object.at("address").get<std::string>());
  if (!address) throw std::invalid_argument("an address was expected");
  config::Backend backend;
  backend.name = name_in(object.at("name").get<std::string>());
  backend.address = *address;
  backend.weight = weight_in(object.at("weight"));
  if (const auto name = object.at("class").get<std::string>(); !name.empty())
    backend.backend_class = name_in(name);
  // Files of before these were kept do not have them.
  if (const auto port = object.find("port"); port != object.end())
    backend.port = static_cast<std::uint16_t>(whole_in(*port, kMostPort));
  if (const auto most = object.find("max_connections"); most != object.end())
    backend.max_connections = static_cast<std::uint32_t>(whole_in(*most, kMostConnections));
  if (const auto id = object.find("server_id"); id != object.end())
    backend.server_id = server_id_in(id->get<std::string>());
  return backend;
}

OperatorState decode(const Parsed& body) {
  OperatorState state;
  state.generation = whole_in(body.at("generation"), kMostGeneration);
  for (const auto& [name, pool] : object_in(body.at("pools"))) {
    PoolChanges changes;
    for (const auto& backend : pool.at("added").get_ref<const Parsed::array_t&>()) {
      auto added = decode_backend(backend);
      if (std::ranges::any_of(changes.added, named(added.name)))
        throw std::invalid_argument("a backend is added twice");
      changes.added.push_back(std::move(added));
    }
    changes.removed = names_in(pool.at("removed"));
    for (const auto& [backend, weight] : object_in(pool.at("weights")))
      changes.weights[name_in(backend)] = weight_in(weight);
    changes.drained = names_in(pool.at("drained"));
    if (const auto names = pool.find("maintenance"); names != pool.end())
      changes.maintenance = names_in(*names);
    std::erase_if(changes.drained,
                  [&](const auto& drained) { return changes.maintenance.contains(drained); });
    state.pools[name_in(name)] = std::move(changes);
  }
  return state;
}

}  // namespace

LoadedState load_operator_state(const std::string& directory) {
  LoadedState loaded;
  loaded.problem = load_state(path_in(directory), kVersion,
                              [&](const Parsed& body) { loaded.state = decode(body); });
  if (!loaded.problem.empty()) loaded.problem += "; starting from the configuration alone";
  return loaded;
}

Result<void> save_operator_state(const OperatorState& state, const std::string& directory) {
  return save_state(path_in(directory), kVersion, encode(state));
}

health::Wish wish_of(const PoolChanges* changes, const std::string& backend) {
  if (changes == nullptr) return health::Wish::kServe;
  if (changes->maintenance.contains(backend)) return health::Wish::kMaintenance;
  return changes->drained.contains(backend) ? health::Wish::kDrain : health::Wish::kServe;
}

config::Configuration apply(const config::Configuration& file, const OperatorState& state) {
  config::Configuration running = file;
  for (auto& pool : running.pools) {
    const auto found = state.pools.find(pool.name);
    if (found == state.pools.end()) continue;
    const PoolChanges& changes = found->second;
    std::erase_if(pool.backends, [&](const auto& b) { return changes.removed.contains(b.name); });
    for (auto& backend : pool.backends)
      if (const auto weight = changes.weights.find(backend.name); weight != changes.weights.end())
        backend.weight = weight->second;
    std::ranges::copy_if(changes.added, std::back_inserter(pool.backends), [&](const auto& b) {
      return std::ranges::none_of(pool.backends, named(b.name));
    });
  }
  return running;
}

void prune(OperatorState& state, const config::Configuration& file) {
  for (auto it = state.pools.begin(); it != state.pools.end();) {
    const auto pool = std::ranges::find(file.pools, it->first, &config::Pool::name);
    PoolChanges& changes = it->second;
    if (pool == file.pools.end()) {
      it = state.pools.erase(it);
      continue;
    }
    const auto in_file = [&](const std::string& name) {
      return std::ranges::any_of(pool->backends, named(name));
    };
    std::erase_if(changes.removed, [&](const auto& name) { return !in_file(name); });
    std::erase_if(changes.added, [&](const auto& b) {
      return in_file(b.name) && !changes.removed.contains(b.name);
    });
    std::erase_if(changes.weights, [&](const auto& weight) {
      const auto backend = std::ranges::find_if(pool->backends, named(weight.first));
      return backend == pool->backends.end() || backend->weight == weight.second ||
             changes.removed.contains(weight.first);
    });
    for (auto* wished : {&changes.drained, &changes.maintenance})
      std::erase_if(*wished, [&](const auto& name) {
        return std::ranges::none_of(changes.added, named(name)) &&
               (!in_file(name) || changes.removed.contains(name));
      });
    it = changes.empty() ? state.pools.erase(it) : std::next(it);
  }
}

}  // namespace sluice::control
