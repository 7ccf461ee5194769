// SPDX-License-Identifier: Apache-2.0
#include "actuate/world.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace sluice::actuate::test {
namespace {

constexpr double kBoot = 20;  // seconds from a start to ready

bool is_order(const Action& action) { return action.kind == Action::Kind::kOrder; }

IpAddress address_of(unsigned n) {
  return IpAddress::v4({10, 1, static_cast<std::uint8_t>(n >> 8U), static_cast<std::uint8_t>(n)});
}

}  // namespace

Fleet::Options options_of(unsigned max) {
  Fleet::Options options;
  options.pool = "llama";
  options.id_prefix = "edge-1";
  options.classes = {{.name = "h100", .cold_start_s = 25, .wake_s = 5, .asleep = 2},
                     {.name = "l4", .cold_start_s = 25}};
  options.max = max;
  options.drain_limit_s = 120;
  options.order_limit_s = 60;
  options.ability = {.lists = true, .can_sleep = true};
  return options;
}

World::World(Fleet::Options options, Faults faults, std::uint32_t seed)
    : options_(options),
      faults_(faults),
      random_(seed),
      fleet_(std::move(options)),
      wanted_(options_.classes.size(), 0) {}

// What the configuration file has is never taken away: fewer of its class cannot be had, nor as
// many more of the others.
void World::want_at_random() {
  std::vector<unsigned> fixed(wanted_.size(), 0);
  unsigned left = options_.max;
  for (std::size_t i = 0; i < fixed.size(); ++i)
    for (const auto& [name, row] : table_)
      if (row.seen.configured && row.seen.backend_class == options_.classes[i].name) {
        ++fixed[i];
        --left;
      }
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    const unsigned more = below(left + 1);
    wanted_[i] = fixed[i] + more;
    left -= more;
  }
}

void World::have_fixed(const std::string& backend_class, const std::string& name) {
  backends_[name] = {.backend_class = backend_class, .address = address_of(++last_address_)};
  table_[name].seen = {.name = name,
                       .backend_class = backend_class,
                       .address = backends_[name].address,
                       .configured = true};
}

// What backends and their flows do by themselves.
void World::live() {
  for (auto& [name, backend] : backends_) {
    if (chance(faults_.crashes)) backend.crashed = true;
    if (chance(faults_.flaps)) backend.down_until = t_ + below(90);
  }
  for (auto& [name, row] : table_) {
    const auto found = backends_.find(name);
    Seen& seen = row.seen;
    const bool runs = found != backends_.end() && found->second.address == seen.address;
    const bool up = runs && !found->second.asleep && !found->second.crashed &&
                    t_ >= found->second.ready_at && t_ >= found->second.down_until;
    if (up)
      seen.health = Seen::Health::kReady;
    else if (seen.health == Seen::Health::kReady)
      seen.health = Seen::Health::kDown;
    auto flows = seen.flows.value_or(below(5));
    if (up && seen.wish == Seen::Wish::kServe)
      flows += below(3);
    else
      flows -= std::min<std::uint64_t>(flows, below(2));
    seen.flows = flows;
    if (faults_.lies > 0 && chance(0.02)) seen.flows.reset();
  }
}

Input World::look() {
  Input input{.t = t_, .wanted = wanted_};
  for (const auto& [name, row] : table_) input.backends.push_back(row.seen);
  std::vector<Due> due;
  std::erase_if(due_, [&](const Due& each) {
    if (each.t <= t_) due.push_back(each);
    return each.t <= t_;
  });
  for (const auto& each : due) carry_out(each, input.reports);
  input.refused.assign(refused_.begin(), refused_.end());
  return input;
}

Report World::done(const Order& order) {
  Report report{.order_id = order.id};
  const auto found = backends_.find(order.name);
  switch (order.verb) {
    case Verb::kStart:
    case Verb::kWake:
      if (found == backends_.end()) {
        IpAddress address = address_of(++last_address_);
        for (const auto& known : options_.ability.known)
          if (known.name == order.name) address = known.address;
        backends_[order.name] = {.backend_class = order.backend_class,
                                 .address = address,
                                 .ready_at = t_ + kBoot + below(20)};
      } else if (order.verb == Verb::kWake && found->second.asleep) {
        found->second.asleep = false;
        found->second.ready_at = t_ + 2;
      }
      report.members.push_back({.name = order.name,
                                .address = backends_[order.name].address,
                                .backend_class = order.backend_class});
      break;
    case Verb::kStop:
      backends_.erase(order.name);
      break;
    case Verb::kSleep:
      if (found != backends_.end()) found->second.asleep = true;
      break;
    default:
      return list(order);
  }
  return report;
}

Report World::list(const Order& order) {
  Report report{.order_id = order.id};
  for (const auto& [name, backend] : backends_) {
    if (table_.contains(name) && table_[name].seen.configured) continue;
    if (faults_.list_fails > 0 && chance(0.05)) continue;
    if (backend.crashed && chance(0.5)) continue;  // some are told to run on, some are not
    report.members.push_back(
        {.name = name,
         .address = backend.address,
         .backend_class = backend.backend_class,
         .standing = backend.asleep ? Member::Standing::kAsleep : Member::Standing::kAwake});
  }
  if (faults_.lies > 0 && chance(0.1))
    report.members.push_back({.name = "stranger", .address = address_of(60'000)});
  return report;
}

void World::lie(Report& report) {
  if (report.members.empty()) return;
  Member& member = report.members.front();
  switch (below(5)) {
    case 0:
      member.name = "llama-h100-77";
      break;
    case 1:
      member.backend_class = "tpu";
      break;
    case 2:
      if (!table_.empty()) member.address = table_.begin()->second.seen.address;
      break;
    case 3:
      report.members.clear();
      break;
    default:
      report.members.push_back({.name = "llama-l4-88", .address = address_of(50'000)});
  }
}

void World::carry_out(const Due& due, std::vector<Report>& reports) {
  Report report{.order_id = due.order.id};
  if (chance(faults_.fails)) {
    if (chance(0.5)) (void)done(due.order);
    report.end = static_cast<Report::End>(1 + below(3));
    if (report.end == Report::End::kRefused && due.order.verb == Verb::kStart)
      backends_.erase(due.order.name);
    report.error = "no luck";
  } else if (due.order.verb == Verb::kList && chance(faults_.list_fails)) {
    report.end = Report::End::kFailed;
  } else {
    report = done(due.order);
    if (due.order.verb != Verb::kList && chance(faults_.lies)) lie(report);
  }
  if (!due.reports) return;
  reports.push_back(report);
  if (due.twice) reports.push_back(report);
}

unsigned World::want_of(const std::string& backend_class, const Input& input) const {
  for (std::size_t i = 0; i < options_.classes.size(); ++i)
    if (options_.classes[i].name == backend_class) return input.wanted[i];
  return 0;
}

void World::second() {
  t_ += 1;
  live();
  const Input input = look();
  for (const auto& report : input.reports)
    if (given_.contains(report.order_id)) open_names_.erase(given_[report.order_id].name);
  std::erase_if(open_names_,
                [&](const auto& each) { return t_ - each.second >= options_.order_limit_s; });
  const Fleet before = fleet_;
  const auto actions = fleet_.step(input);
  compare_with_restored(before, input, actions);
  refused_.clear();
  for (const auto& action : actions) act(action, input);
  check_counts();
  if (chance(faults_.restarts)) restart();
}

// A fleet that was saved and restored before the step does the same in it, but that it gives again
// the orders that had no report.
void World::compare_with_restored(const Fleet& before, const Input& input,
                                  std::vector<Action> actions) {
  if (!chance(0.2)) return;
  Fleet restored(options_);
  const auto saved = nlohmann::json::parse(before.save().dump());
  const auto taken = restored.restore(saved, saved["t"]);
  ASSERT_TRUE(taken) << taken.error().text();
  auto again = restored.step(input);
  const auto without_repeated = [&](std::vector<Action>& list) {
    return std::erase_if(list, [&](const Action& action) {
      return is_order(action) && given_.contains(action.order.id);
    });
  };
  EXPECT_EQ(without_repeated(again), before.pending());
  without_repeated(actions);
  EXPECT_TRUE(std::ranges::equal(again, actions));
  EXPECT_EQ(restored.save(), fleet_.save());
}

// What was under way when the daemon ended is carried out, or is not; nobody hears of it.
void World::restart() {
  Fleet next(options_);
  ASSERT_TRUE(next.restore(fleet_.save(), t_));
  fleet_ = std::move(next);
  std::erase_if(due_, [&](const Due&) { return chance(0.5); });
  for (auto& due : due_) due.reports = false;
}

void World::act(const Action& action, const Input& input) {
  const std::string& name = action.member.name;
  const auto row = table_.find(name);
  switch (action.kind) {
    case Action::Kind::kOrder:
      return take(action.order, input);
    case Action::Kind::kAdd:
      ASSERT_EQ(row, table_.end()) << name;
      if (faults_.lies > 0 && chance(0.02)) return void(refused_.insert(name));
      for (const auto& [other, each] : table_)
        ASSERT_NE(each.seen.address, action.member.address) << other << " and " << name;
      table_[name].seen = {.name = name,
                           .backend_class = action.member.backend_class,
                           .address = action.member.address};
      return;
    case Action::Kind::kDrain:
      ASSERT_NE(row, table_.end()) << name;
      ASSERT_FALSE(row->second.seen.configured);
      row->second.seen.wish = Seen::Wish::kDrain;
      if (row->second.drain_since < 0) row->second.drain_since = t_;
      return;
    case Action::Kind::kUndrain:
      ASSERT_NE(row, table_.end()) << name;
      row->second.seen.wish = Seen::Wish::kServe;
      row->second.drain_since = -1;
      return;
    case Action::Kind::kRemove: {
      ASSERT_NE(row, table_.end()) << name;
      ASSERT_FALSE(row->second.seen.configured);
      const Row& was = row->second;
      const bool idle = was.seen.wish == Seen::Wish::kDrain && was.seen.flows == 0U;
      const bool long_enough =
          was.drain_since >= 0 && t_ - was.drain_since >= options_.drain_limit_s - 2;
      EXPECT_TRUE(idle || long_enough || input.refused == std::vector{name})
          << name << " is removed with " << was.seen.flows.value_or(999) << " flows";
      table_.erase(row);
      return;
    }
    case Action::Kind::kEvent:
      EXPECT_FALSE(action.text.empty());
      EXPECT_FALSE(action.event.empty());
  }
}

void World::take(const Order& order, const Input& input) {
  EXPECT_EQ(order.pool, "llama");
  const auto [at, fresh] = given_.emplace(order.id, order);
  if (!fresh) {  // given again after a restart
    EXPECT_EQ(at->second, order);
  } else if (!order.name.empty()) {
    EXPECT_FALSE(open_names_.contains(order.name)) << "two orders for " << order.name;
    open_names_[order.name] = t_;
    if (order.verb == Verb::kStart || order.verb == Verb::kWake) check_start(order, input);
    EXPECT_FALSE(order.verb == Verb::kStop && table_.contains(order.name)) << order.name;
  }
  due_.push_back({.order = order,
                  .t = t_ + 1 + below(15),
                  .reports = !chance(faults_.hangs),
                  .twice = chance(faults_.twice)});
}

void World::check_start(const Order& order, const Input& input) {
  ++starts_;
  unsigned all = 0;
  for (std::size_t i = 0; i < options_.classes.size(); ++i) {
    const auto& counts = fleet_.counts()[i];
    all += counts.ready + counts.starting;
    if (options_.classes[i].name != order.backend_class) continue;
    EXPECT_LE(counts.ready + counts.starting, want_of(order.backend_class, input))
        << "two starts for one deficit";
    EXPECT_EQ(counts.draining, 0U) << "started while one could be taken back";
    for (const auto& [name, unit] : fleet_.units())
      EXPECT_FALSE(order.verb == Verb::kStart && unit.member.backend_class == order.backend_class &&
                   unit.phase == Phase::kAsleep)
          << "started while one sleeps";
  }
  EXPECT_LE(all, options_.max);
}

void World::check_counts() const {
  unsigned all = 0;
  for (const auto& counts : fleet_.counts()) all += counts.ready + counts.starting;
  bool fixed = false;
  for (const auto& [name, row] : table_) fixed = fixed || row.seen.configured;
  EXPECT_TRUE(fixed || all <= options_.max) << all;
  std::set<std::pair<std::string, bool>> addresses;
  for (const auto& [name, row] : table_)
    EXPECT_TRUE(addresses.emplace(row.seen.address.text(), true).second) << name;
}

std::string World::trouble() const {
  for (std::size_t i = 0; i < options_.classes.size(); ++i) {
    const auto& counts = fleet_.counts()[i];
    if (counts.ready != wanted_[i] || counts.starting != 0 || counts.draining != 0)
      return fmt::format("{}: {} ready, {} starting, {} draining, {} wanted",
                         options_.classes[i].name, counts.ready, counts.starting, counts.draining,
                         wanted_[i]);
    if (counts.asleep > options_.classes[i].asleep) return "too many are asleep";
  }
  for (const auto& [name, backend] : backends_)
    if (!fleet_.units().contains(name) && !table_.contains(name))
      return name + " runs and nobody knows";
  for (const auto& [name, unit] : fleet_.units())
    if (!backends_.contains(name))
      return fmt::format("{} is {} and does not run", name, name_of(unit.phase));
  return {};
}

}  // namespace sluice::actuate::test
