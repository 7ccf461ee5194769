// SPDX-License-Identifier: Apache-2.0
#include "control/model.hpp"

#include "base/assert.hpp"
#include "base/nearest.hpp"
#include "config/decode.hpp"
#include "config/encode.hpp"
#include "snapshot/put_off.hpp"

#include <algorithm>
#include <cstring>
#include <set>

namespace sluice::control {
namespace {

bool same_content(const snapshot::Input& a, const snapshot::Input& b) {
  return std::memcmp(&a.hash_key, &b.hash_key, sizeof a.hash_key) == 0 &&
         a.tcp_timeout == b.tcp_timeout && a.udp_timeout == b.udp_timeout &&
         a.icmp_errors_per_second == b.icmp_errors_per_second &&
         a.verify_checksums == b.verify_checksums && a.quic_lb == b.quic_lb &&
         a.port_mtus == b.port_mtus && a.services == b.services && a.pools == b.pools;
}

// The field table and the rules judge a change as they would judge the file it leads to.
Result<void> check_whole(const config::Configuration& running, const std::string& where) {
  const auto decoded = config::decode(config::encode(running));
  if (decoded.faults.empty()) return {};
  return fail(Errc::kInvalid, where, "{}; {}", decoded.faults.front().what,
              decoded.faults.front().remedy);
}

// A reload may raise the timeouts as far as the cache can count; numbers that rest by then must
// have been told to rest long enough.
constexpr config::FlowCache longest_lived() {
  config::FlowCache cache;
  cache.tcp_timeout = std::chrono::seconds(flow::kLongestTimeout * flow::kTickSeconds);
  return cache;
}

// Configured before the kernel's.
Reaches merged(const Reaches& configured, const Reaches& kernel) {
  Reaches all = configured;
  all.insert(kernel.begin(), kernel.end());
  return all;
}

std::vector<IpAddress> without_reach(const config::Configuration& running,
                                     const Reaches& configured) {
  std::set<IpAddress> wanted;
  for (const auto& pool : running.pools)
    for (const auto& backend : pool.backends)
      if (!configured.contains(backend.address)) wanted.insert(backend.address);
  return {wanted.begin(), wanted.end()};
}

template <class List>
auto find_named(List& list, const std::string& name) {
  return std::ranges::find_if(list, [&](const auto& one) { return one.name == name; });
}

template <class List>
std::string suggestion(const List& list, const std::string& name) {
  std::vector<std::string_view> names;
  for (const auto& one : list) names.push_back(one.name);
  return did_you_mean(name, names);
}

Result<Published> mark_loaded(Result<Published> published) {
  if (published) published->loaded = true;
  return published;
}

void note_movement(const snapshot::Snapshot& before, const snapshot::Snapshot& after,
                   Published& published) {
  published.movement = snapshot::movement(before, after);
  if (published.movement.moved != 0 || before.input.pools.size() != after.input.pools.size())
    published.pools = snapshot::movement_by_pool(before, after);
}

Result<void> must_have(const config::Pool& pool, const std::string& name) {
  if (find_named(pool.backends, name) != pool.backends.end()) return {};
  return fail(Errc::kNotFound, "pool " + pool.name, "has no backend '{}'{}", name,
              suggestion(pool.backends, name));
}

}  // namespace

Result<std::unique_ptr<Model>> Model::create(config::Configuration file,
                                             OperatorState operator_state,
                                             std::vector<EgressPort> ports, Now now) {
  auto numbers = number_space(longest_lived());
  std::unique_ptr<Model> model(new Model(std::move(ports), std::move(numbers), std::move(now)));
  Truth truth;
  truth.file = std::move(file);
  truth.operator_state = std::move(operator_state);
  model->derive(truth);
  if (!truth.operator_state.pools.empty())
    if (auto sound = check_whole(truth.running, "operator's changes"); !sound)
      return forward_error(sound);
  if (auto done = model->commit(std::move(truth)); !done) return forward_error(done);
  return model;
}

std::unique_ptr<const snapshot::Snapshot> Model::take_first() {
  SLUICE_ASSERT(first_ != nullptr, "the first snapshot is handed over once");
  return std::move(first_);
}

const snapshot::Snapshot& Model::snapshot() const noexcept {
  return publisher_ != nullptr ? publisher_->current() : *first_;
}

void Model::derive(Truth& truth) const {
  prune(truth.operator_state, truth.file);
  truth.running = apply(truth.file, truth.operator_state);
  truth.configured_reaches = configured_reaches(truth.running, ports_);
}

Result<Published> Model::commit(Truth candidate) {
  NumberSpace numbers = numbers_;
  if (auto taken = take_numbers(candidate.running, numbers, now_()); !taken)
    return forward_error(taken);
  if (resolve_)
    kernel_reaches_ = resolve_(without_reach(candidate.running, candidate.configured_reaches));
  candidate.reaches = merged(candidate.configured_reaches, kernel_reaches_);
  auto published = publish(candidate.running, candidate.operator_state, numbers, candidate.reaches,
                           Extent::kWhole);
  if (!published) return published;
  candidate.operator_state.generation = published->generation;
  truth_ = std::move(candidate);
  numbers_ = std::move(numbers);
  return published;
}

Result<Published> Model::publish(const config::Configuration& running,
                                 const OperatorState& operator_state, const NumberSpace& numbers,
                                 const Reaches& reaches, Extent extent) {
  const auto begun = now_();
  auto input = describe(running, operator_state, numbers, reaches, use_);
  if (load_) load_(running, input);
  SlowStart slow_start = slow_start_;  // a change that fails starts nobody
  slow_start.apply(running, now_(), input);
  const snapshot::Snapshot* before = publisher_ != nullptr ? &publisher_->current() : first_.get();
  std::optional<std::size_t> next_pool;
  if (before != nullptr && extent == Extent::kSome)
    next_pool = snapshot::put_off(input, *before, next_pool_.value_or(0), kEntriesAtOnce);
  Published published;
  if (before != nullptr && same_content(before->input, input)) {
    published.generation = before->generation;
    slow_start_ = std::move(slow_start);
    next_pool_ = next_pool;
    return published;
  }
  input.generation = (before == nullptr ? operator_state.generation : before->generation) + 1;
  auto next = snapshot::build(std::move(input), before);
  if (!next) return forward_error(next);
  slow_start_ = std::move(slow_start);
  next_pool_ = next_pool;
  published.changed = true;
  published.generation = (*next)->generation;
  // A pass over all tables, old and new: only for who asked for the change.
  if (before != nullptr && extent == Extent::kWhole) note_movement(*before, **next, published);
  if (publisher_ != nullptr)
    publisher_->publish(std::move(*next));
  else
    first_ = std::move(*next);
  build_times_.add(now_() - begun);
  if (on_published_) on_published_();
  return published;
}

Result<Published> Model::replace_file(config::Configuration file) {
  Truth candidate = truth_;
  candidate.file = std::move(file);
  derive(candidate);
  // The file is good and the changes were, but together they may not be: two of one address, say.
  if (auto sound = check_whole(candidate.running, "operator's changes"); !sound)
    return forward_error(sound);
  return mark_loaded(commit(std::move(candidate)));
}

Result<Published> Model::apply_only(config::Configuration file) {
  Truth candidate = truth_;
  candidate.file = std::move(file);
  candidate.operator_state.pools.clear();
  derive(candidate);
  return mark_loaded(commit(std::move(candidate)));
}

Result<Published> Model::foresee(config::Configuration file) const {
  Truth candidate = truth_;
  candidate.file = std::move(file);
  candidate.operator_state.pools.clear();
  derive(candidate);
  NumberSpace numbers = numbers_;
  if (auto taken = take_numbers(candidate.running, numbers, now_()); !taken)
    return forward_error(taken);
  // Next hops of backends that are new are not asked for: they decide no entry.
  auto input = describe(candidate.running, candidate.operator_state, numbers,
                        merged(candidate.configured_reaches, kernel_reaches_), use_);
  if (load_) load_(candidate.running, input);
  SlowStart slow_start = slow_start_;
  slow_start.apply(candidate.running, now_(), input);
  const auto& before = snapshot();
  Published foreseen;
  foreseen.generation = before.generation;
  if (same_content(before.input, input)) return foreseen;
  input.generation = ++foreseen.generation;
  const auto next = snapshot::build(std::move(input), &before);
  if (!next) return forward_error(next);
  foreseen.changed = true;
  note_movement(before, **next, foreseen);
  return foreseen;
}

Result<Published> Model::change_pool(
    const std::string& pool,
    const std::function<Result<void>(const config::Pool&, PoolChanges&)>& change) {
  const auto found = find_named(truth_.running.pools, pool);
  if (found == truth_.running.pools.end())
    return fail(Errc::kNotFound, "pool " + pool, "does not exist{}",
                suggestion(truth_.running.pools, pool));
  Truth candidate = truth_;
  if (auto done = change(*found, candidate.operator_state.pools[pool]); !done)
    return forward_error(done);
  derive(candidate);
  if (auto sound = check_whole(candidate.running, "pool " + pool); !sound)
    return forward_error(sound);
  return commit(std::move(candidate));
}

Result<Published> Model::add_backend(const std::string& pool, config::Backend backend) {
  return change_pool(pool, [&](const config::Pool& running, PoolChanges& changes) -> Result<void> {
    // Servers of one address are two backends where each has a port of its own; whether they may
    // have, the rules say.
    for (const auto& other : running.backends)
      if (other.name == backend.name ||
          (other.address == backend.address && other.port == backend.port))
        return fail(Errc::kConflict, "pool " + pool, "has backend '{}' at {} already", other.name,
                    other.address.text());
    changes.added.push_back(std::move(backend));
    return {};
  });
}

Result<Published> Model::remove_backend(const std::string& pool, const std::string& name) {
  return change_pool(pool, [&](const config::Pool& running, PoolChanges& changes) -> Result<void> {
    if (auto there = must_have(running, name); !there) return there;
    if (std::erase_if(changes.added, [&](const auto& b) { return b.name == name; }) == 0)
      changes.removed.insert(name);
    changes.weights.erase(name);
    changes.drained.erase(name);
    changes.maintenance.erase(name);
    return {};
  });
}

Result<Published> Model::set_wish(const std::string& pool, const std::string& name,
                                  health::Wish wish) {
  return change_pool(pool, [&](const config::Pool& running, PoolChanges& changes) -> Result<void> {
    if (auto there = must_have(running, name); !there) return there;
    changes.drained.erase(name);
    changes.maintenance.erase(name);
    if (wish == health::Wish::kDrain) changes.drained.insert(name);
    if (wish == health::Wish::kMaintenance) changes.maintenance.insert(name);
    return {};
  });
}

Result<Published> Model::set_weight(const std::string& pool, const std::string& name,
                                    std::uint32_t weight) {
  return change_pool(pool, [&](const config::Pool& running, PoolChanges& changes) -> Result<void> {
    if (auto there = must_have(running, name); !there) return there;
    const auto added = find_named(changes.added, name);
    if (added != changes.added.end()) {
      added->weight = weight;
    } else {
      changes.weights[name] = weight;
    }
    return {};
  });
}

// No copy of the truth here: neighbours may change in bursts.
Result<Published> Model::set_kernel_reaches(Reaches reaches) {
  auto all = merged(truth_.configured_reaches, reaches);
  auto published = publish(truth_.running, truth_.operator_state, numbers_, all, Extent::kSome);
  if (!published) return published;
  kernel_reaches_ = std::move(reaches);
  truth_.reaches = std::move(all);
  truth_.operator_state.generation = published->generation;
  return published;
}

Result<Published> Model::follow_health() {
  auto published =
      publish(truth_.running, truth_.operator_state, numbers_, truth_.reaches, Extent::kSome);
  if (published) truth_.operator_state.generation = published->generation;
  return published;
}

Use Model::use(const config::Pool& pool, const config::Backend& backend) const {
  const auto changes = truth_.operator_state.pools.find(pool.name);
  return use_now(changes == truth_.operator_state.pools.end() ? nullptr : &changes->second, pool,
                 backend, use_);
}

bool Model::slow_start_is_due() const {
  const auto due = slow_start_.next_step();
  return due && now_() >= *due;
}

std::vector<IpAddress> Model::addresses_to_resolve() const {
  return without_reach(truth_.running, truth_.configured_reaches);
}

const Reach& Model::reach(const IpAddress& address) const {
  static const Reach unknown;
  const auto found = truth_.reaches.find(address);
  return found == truth_.reaches.end() ? unknown : found->second;
}

std::uint16_t Model::number(const config::Pool& pool, const config::Backend& backend) const {
  return numbers_.backends.of(pool.name + "/" + backend.name);
}

std::uint16_t Model::number(const std::string& pool, const std::string& backend) const {
  return numbers_.backends.of(pool + "/" + backend);
}

std::uint16_t Model::number(const config::Service& service) const {
  return numbers_.services.of(service.name);
}

}  // namespace sluice::control
