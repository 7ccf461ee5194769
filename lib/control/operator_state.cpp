// SPDX-License-Identifier: Apache-2.0
#include "control/operator_state.hpp"

#include "base/file.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <limits>

namespace sluice::control {
namespace {

using Json = nlohmann::json;

constexpr unsigned kVersion = 1;
constexpr std::size_t kLongestFile = std::size_t{16} << 20U;
constexpr int kDeepest = 8;

std::filesystem::path path_in(const std::string& directory) {
  return std::filesystem::path(directory) / "operator.json";
}

// FNV-1a: tells a damaged file from a whole one; it is no protection against an attacker, who could
// write any state anyway.
std::string checksum_of(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325U;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return fmt::format("{:016x}", h);
}

Json encode(const OperatorState& state) {
  Json pools = Json::object();
  for (const auto& [name, changes] : state.pools) {
    if (changes.empty()) continue;
    Json added = Json::array();
    for (const auto& b : changes.added)
      added.push_back({{"name", b.name},
                       {"address", b.address.text()},
                       {"weight", b.weight},
                       {"class", b.backend_class}});
    pools[name] = {{"added", std::move(added)},
                   {"removed", changes.removed},
                   {"weights", changes.weights},
                   {"drained", changes.drained}};
  }
  return {{"generation", state.generation}, {"pools", std::move(pools)}};
}

std::uint32_t weight_in(const Json& value) {
  const auto weight = value.get<std::uint64_t>();
  if (!value.is_number_unsigned() || weight > std::numeric_limits<std::uint32_t>::max())
    throw std::out_of_range("weight");
  return static_cast<std::uint32_t>(weight);
}

config::Backend decode_backend(const Json& object) {
  const auto address = IpAddress::parse(object.at("address").get<std::string>());
  if (!address) throw std::invalid_argument("address");
  config::Backend backend;
  backend.name = object.at("name").get<std::string>();
  backend.address = *address;
  backend.weight = weight_in(object.at("weight"));
  backend.backend_class = object.at("class").get<std::string>();
  return backend;
}

// Throws what the library throws on values of another type than asked for.
OperatorState decode(const Json& body) {
  OperatorState state;
  state.generation = body.at("generation").get<std::uint64_t>();
  for (const auto& [name, pool] : body.at("pools").items()) {
    PoolChanges changes;
    for (const auto& backend : pool.at("added")) changes.added.push_back(decode_backend(backend));
    changes.removed = pool.at("removed").get<std::set<std::string>>();
    for (const auto& [backend, weight] : pool.at("weights").items())
      changes.weights[backend] = weight_in(weight);
    changes.drained = pool.at("drained").get<std::set<std::string>>();
    state.pools[name] = std::move(changes);
  }
  return state;
}

Result<OperatorState> parse(const std::string& text) {
  const auto bounded = [](int depth, Json::parse_event_t, const Json&) {
    return depth <= kDeepest;
  };
  try {
    const auto file = Json::parse(text, bounded);
    if (file.at("version").get<unsigned>() != kVersion)
      return fail(Errc::kUnsupported, "", "is of version {}, not {}", file.at("version").dump(),
                  kVersion);
    const auto& body = file.at("body");
    if (file.at("checksum").get<std::string>() != checksum_of(body.dump()))
      return fail(Errc::kInvalid, "", "does not match its checksum");
    return decode(body);
  } catch (const std::exception& error) {
    return fail(Errc::kInvalid, "", "cannot be understood ({})", error.what());
  }
}

std::string put_aside(const std::filesystem::path& path) {
  for (int n = 1; n <= 9; ++n) {
    const auto beside = fmt::format("{}.damaged-{}", path.string(), n);
    std::error_code failed;
    if (n < 9 && std::filesystem::exists(beside, failed)) continue;
    std::filesystem::rename(path, beside, failed);
    return failed ? "it could not be put aside: " + failed.message() : "it is kept as " + beside;
  }
  return {};
}

auto named(const std::string& name) {
  return [&name](const config::Backend& b) { return b.name == name; };
}

}  // namespace

LoadedState load_operator_state(const std::string& directory) {
  const auto path = path_in(directory);
  const auto text = read_file(path, kLongestFile);
  if (!text && text.error().code == Errc::kNotFound) return {};
  if (!text) return {{}, text.error().text() + "; starting from the configuration alone"};
  auto state = parse(*text);
  if (state) return {std::move(*state), {}};
  return {{},
          fmt::format("{} {}; {}; starting from the configuration alone", path.string(),
                      state.error().message, put_aside(path))};
}

Result<void> save_operator_state(const OperatorState& state, const std::string& directory) {
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed) return fail(Errc::kIo, directory, "cannot be made: {}", failed.message());
  const Json body = encode(state);
  const Json file = {{"version", kVersion}, {"checksum", checksum_of(body.dump())}, {"body", body}};
  return write_file_atomically(path_in(directory), file.dump(1) + "\n");
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
    pool.backends.insert(pool.backends.end(), changes.added.begin(), changes.added.end());
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
    std::erase_if(changes.drained, [&](const auto& name) {
      return std::ranges::none_of(changes.added, named(name)) &&
             (!in_file(name) || changes.removed.contains(name));
    });
    it = changes.empty() ? state.pools.erase(it) : std::next(it);
  }
}

}  // namespace sluice::control
