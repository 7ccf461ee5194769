// SPDX-License-Identifier: Apache-2.0
#include "snapshot/rules.hpp"

#include "snapshot/snapshot.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace sluice::snapshot {
namespace {

using HashTree = RangeTree<std::uint32_t>;

/// The service of the same number in the snapshot before, and its rules.
struct Before {
  const ServiceInput* input = nullptr;
  const ServiceRules* rules = nullptr;
};

std::map<std::uint16_t, Before> rules_before(const Snapshot* previous) {
  std::map<std::uint16_t, Before> result;
  if (previous == nullptr) return result;
  for (std::size_t i = 0; i < previous->services.size(); ++i)
    if (previous->services[i].rules != nullptr)
      result[previous->services[i].number] = {&previous->input.services[i],
                                              previous->services[i].rules};
  return result;
}

/// First key of the share that begins at `from`.
std::uint64_t key_at(double from) { return static_cast<std::uint64_t>(std::ldexp(from, 32)); }

Result<HashTree> build_shares(const std::vector<ShardInput>& shards, const std::string& where) {
  std::vector<const ShardInput*> ascending;
  for (const auto& shard : shards)
    if (!shard.source) ascending.push_back(&shard);
  if (ascending.empty()) return HashTree{};
  std::ranges::sort(ascending, {}, [](const auto* shard) { return shard->from; });
  std::vector<HashTree::Range> ranges;
  std::uint64_t next = 0;
  for (const auto* shard : ascending) {
    // Written so that a share that is no number is refused as well.
    if (!(shard->from >= 0 && shard->from < shard->to && shard->to <= 1) ||
        key_at(shard->from) < next || key_at(shard->to) == key_at(shard->from))
      return fail(Errc::kInvalid, where,
                  "the hash range {} to {} is empty, not within 0 to 1, or overlaps another",
                  shard->from, shard->to);
    if (key_at(shard->from) > next)
      ranges.push_back({static_cast<std::uint32_t>(key_at(shard->from) - 1), PrefixMap::kNone});
    next = key_at(shard->to);
    ranges.push_back(
        {static_cast<std::uint32_t>(next - 1), static_cast<std::uint32_t>(shard->pool)});
  }
  constexpr auto kLargest = std::numeric_limits<std::uint32_t>::max();
  if (ranges.back().last != kLargest) ranges.push_back({kLargest, PrefixMap::kNone});
  return HashTree(ranges);
}

Result<std::shared_ptr<const ShardMap>> build_shards(const ServiceInput& service, std::size_t pools,
                                                     const Before& before) {
  if (service.shards.empty()) return nullptr;
  if (before.rules != nullptr && before.input->shards == service.shards)
    return before.rules->shards;
  const std::string where = "service " + service.name;
  std::vector<PrefixMap::Entry> prefixes;
  for (const auto& shard : service.shards) {
    if (shard.pool >= pools) return fail(Errc::kInvalid, where, "a shard has no pool");
    if (shard.source) prefixes.push_back({*shard.source, static_cast<std::uint32_t>(shard.pool)});
  }
  auto made = std::make_shared<ShardMap>();
  made->by_source = PrefixMap(prefixes);
  auto shares = build_shares(service.shards, where);
  if (!shares) return forward_error(shares);
  made->by_hash = std::move(*shares);
  return made;
}

std::shared_ptr<const PrefixMap> build_deny(const ServiceInput& service, const Before& before) {
  if (service.deny.empty()) return nullptr;
  if (before.rules != nullptr && before.input->deny == service.deny) return before.rules->deny;
  std::vector<PrefixMap::Entry> entries;
  for (const auto& prefix : service.deny) entries.push_back({prefix, 1});
  return std::make_shared<const PrefixMap>(entries);
}

/// Every pool that flows of the service may be in: its own, those of its shards, and where each of
/// them flows over.
std::set<std::size_t> pools_of(const ServiceInput& service, const std::vector<PoolInput>& pools) {
  std::set<std::size_t> own{service.pool};
  for (const auto& shard : service.shards) own.insert(shard.pool);
  std::set<std::size_t> all = own;
  for (const std::size_t pool : own)
    if (pools[pool].overflow) all.insert(*pools[pool].overflow);
  return all;
}

Result<ServerIds> build_server_ids(const ServiceInput& service, const std::set<std::size_t>& own,
                                   const std::vector<PoolInput>& pools) {
  std::vector<ServerIds::Entry> entries;
  std::set<ServerId> seen;
  for (const std::size_t pool : own)
    for (const auto& backend : pools[pool].backends) {
      if (!backend.server_id) continue;
      if (!seen.insert(*backend.server_id).second)
        return fail(Errc::kInvalid, "service " + service.name,
                    "two of its backends have the server id {}", backend.server_id->text());
      entries.emplace_back(*backend.server_id, backend.number);
    }
  return ServerIds(entries);
}

/// Places in workers' memory for services with limits: a service keeps its own.
class Limiters {
 public:
  explicit Limiters(const std::vector<ServiceInput>& services,
                    const std::map<std::uint16_t, Before>& before) {
    for (const auto& service : services) {
      const auto known = before.find(service.number);
      if (service.limits.any() && known != before.end() && known->second.rules->limited)
        taken_[service.number] = known->second.rules->limiter;
    }
    for (const auto& [number, place] : taken_) used_.insert(place);
  }
  Result<std::uint16_t> of(const ServiceInput& service) {
    const auto known = taken_.find(service.number);
    if (known != taken_.end()) return known->second;
    while (used_.contains(next_)) ++next_;
    if (next_ >= kMostLimiters)
      return fail(Errc::kExhausted, "service " + service.name, "more than {} services with limits",
                  kMostLimiters);
    return next_++;
  }

 private:
  std::map<std::uint16_t, std::uint16_t> taken_;
  std::set<std::uint16_t> used_;
  std::uint16_t next_ = 0;
};

bool needs_rules(const ServiceInput& service, const Input& input) {
  const PoolInput& pool = input.pools[service.pool];
  return !service.shards.empty() || service.limits.any() || !service.deny.empty() ||
         pool.affinity != Affinity::kFiveTuple || pool.overflow.has_value();
}

}  // namespace

Result<std::vector<std::unique_ptr<const ServiceRules>>> build_rules(const Input& input,
                                                                     const Snapshot* previous) {
  const auto before = rules_before(previous);
  Limiters limiters(input.services, before);
  std::vector<std::unique_ptr<const ServiceRules>> all;
  for (const auto& service : input.services) {
    all.emplace_back();
    if (!needs_rules(service, input)) continue;
    const auto known = before.find(service.number);
    const Before then = known == before.end() ? Before{} : known->second;
    auto made = std::make_unique<ServiceRules>();
    made->affinity = input.pools[service.pool].affinity;
    auto shards = build_shards(service, input.pools.size(), then);
    if (!shards) return forward_error(shards);
    made->shards = std::move(*shards);
    made->deny = build_deny(service, then);
    made->limits = service.limits;
    made->limited = service.limits.any();
    if (made->limited) {
      const auto place = limiters.of(service);
      if (!place) return forward_error(place);
      made->limiter = *place;
    }
    const auto own = pools_of(service, input.pools);
    made->pools.resize(input.pools.size() / 64 + 1);
    for (const std::size_t pool : own) made->pools[pool / 64] |= std::uint64_t{1} << pool % 64;
    if (made->affinity == Affinity::kQuicCid) {
      auto ids = build_server_ids(service, own, input.pools);
      if (!ids) return forward_error(ids);
      made->server_ids = std::move(*ids);
    }
    all.back() = std::move(made);
  }
  return all;
}

}  // namespace sluice::snapshot
