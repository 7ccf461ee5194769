// SPDX-License-Identifier: Apache-2.0
#include "control/model.hpp"

#include "control/sample.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::control {
namespace {

std::unique_ptr<Model> model_of(config::Configuration c, OperatorState state = {}) {
  auto ports = egress_ports(c, {});
  auto model = Model::create(std::move(c), std::move(state), std::move(ports),
                             [] { return snapshot::Numbers::Time{}; });
  EXPECT_TRUE(model) << model.error().text();
  return std::move(*model);
}

std::size_t entries(const Model& model, const std::string& name) {
  const auto& pool = model.running().pools[0];
  const auto backend = std::ranges::find(pool.backends, name, &config::Backend::name);
  const auto slots = model.snapshot().pools[0].slots;
  return static_cast<std::size_t>(std::ranges::count(slots, model.number(pool, *backend)));
}

TEST(Model, EachChangePublishesTheNextGeneration) {
  const auto model = model_of(sample(4));
  EXPECT_EQ(model->snapshot().generation, 1U);
  const auto added = model->add_backend("llama", backend("gpu-9", "10.0.1.9"));
  ASSERT_TRUE(added) << added.error().text();
  EXPECT_EQ(added->generation, 2U);
  EXPECT_TRUE(added->changed);
  EXPECT_NEAR(static_cast<double>(entries(*model, "gpu-9")), 65537.0 / 5, 1.0);
}

TEST(Model, AChangeThatChangesNothingPublishesNothing) {
  const auto model = model_of(sample(4));
  const auto same = model->set_weight("llama", "gpu-1", 100);
  ASSERT_TRUE(same);
  EXPECT_FALSE(same->changed);
  EXPECT_EQ(same->generation, 1U);
  ASSERT_TRUE(model->replace_file(sample(4)));
  EXPECT_EQ(model->snapshot().generation, 1U);
}

TEST(Model, RemovingOneOfTenMovesItsEntriesAndAtMostOnePercentOfTheOthers) {
  const auto model = model_of(sample(10));
  const auto removed = model->remove_backend("llama", "gpu-4");
  ASSERT_TRUE(removed);
  EXPECT_EQ(removed->movement.total, 65537U);
  EXPECT_NEAR(static_cast<double>(removed->movement.least), 6553.7, 1.0);
  EXPECT_LE(removed->movement.moved - removed->movement.least, 655U);
}

TEST(Model, ADrainedBackendHasNoEntriesAndIsStillThere) {
  const auto model = model_of(sample(2));
  ASSERT_TRUE(model->set_wish("llama", "gpu-1", health::Wish::kDrain));
  EXPECT_EQ(entries(*model, "gpu-1"), 0U);
  const auto number =
      model->number(model->running().pools[0], model->running().pools[0].backends[0]);
  EXPECT_EQ(model->snapshot().backends[number].state, snapshot::State::kDraining);
  ASSERT_TRUE(model->set_wish("llama", "gpu-1", health::Wish::kServe));
  EXPECT_GT(entries(*model, "gpu-1"), 0U);
}

TEST(Model, ABackendKeepsItsNumberWhateverHappensToOthers) {
  const auto model = model_of(sample(5));
  const auto number_of = [&](const std::string& name) {
    const auto& pool = model->running().pools[0];
    return model->number(pool, *std::ranges::find(pool.backends, name, &config::Backend::name));
  };
  const auto before = number_of("gpu-5");
  ASSERT_TRUE(model->remove_backend("llama", "gpu-1"));
  ASSERT_TRUE(model->add_backend("llama", backend("gpu-0", "10.0.1.100")));
  EXPECT_EQ(number_of("gpu-5"), before);
}

TEST(Model, UnknownNamesAreNotFoundAndTheNearestIsOffered) {
  const auto model = model_of(sample(3));
  const auto no_backend = model->remove_backend("llama", "gpu-33");
  ASSERT_FALSE(no_backend);
  EXPECT_EQ(no_backend.error().code, Errc::kNotFound);
  EXPECT_NE(no_backend.error().message.find("did you mean 'gpu-3'?"), std::string::npos)
      << no_backend.error().text();
  const auto no_pool = model->set_weight("lama", "gpu-1", 1);
  ASSERT_FALSE(no_pool);
  EXPECT_EQ(no_pool.error().code, Errc::kNotFound);
  EXPECT_NE(no_pool.error().message.find("'llama'"), std::string::npos);
}

TEST(Model, AddedBackendsAreJudgedAsTheFileWouldBe) {
  const auto model = model_of(sample(2));
  EXPECT_EQ(model->add_backend("llama", backend("gpu-1", "10.0.1.77")).error().code,
            Errc::kConflict);
  EXPECT_EQ(model->add_backend("llama", backend("gpu-77", "10.0.1.1")).error().code,
            Errc::kConflict);
  EXPECT_EQ(model->add_backend("llama", backend("no spaces", "10.0.1.77")).error().code,
            Errc::kInvalid);
  EXPECT_EQ(model->add_backend("llama", backend("gpu-77", "224.0.0.1")).error().code,
            Errc::kInvalid);
  EXPECT_EQ(model->snapshot().generation, 1U);
  EXPECT_TRUE(model->operator_state().pools.empty()) << "a refused change leaves no trace";
}

TEST(Model, ServersOfOneAddressAreTwoBackendsWhereNatTellsThemByTheirPorts) {
  auto c = sample(2);
  c.pools[0].forwarding = config::Forwarding::kNat;
  c.pools[0].encapsulation.reset();
  c.pools[0].nat = config::Nat{.sources = {v4("10.0.0.2")}};
  const auto model = model_of(c);
  auto second = backend("gpu-3", "10.0.1.1");
  EXPECT_EQ(model->add_backend("llama", second).error().code, Errc::kConflict);
  second.port = 8081;
  second.max_connections = 7;
  ASSERT_TRUE(model->add_backend("llama", second));
  const auto& in_force = model->snapshot().input.pools[0].backends[2];
  EXPECT_EQ(in_force.port, 8081);
  EXPECT_EQ(in_force.max_connections, 7U);

  const auto tunnelled = model_of(sample(2));
  const auto refused = tunnelled->add_backend("llama", second);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kInvalid);
}

TEST(Model, AddedBackendOfAQuicPoolNeedsItsServerId) {
  auto c = sample(1);
  c.services[0].protocol = config::Protocol::kQuic;
  c.pools[0].affinity = config::Affinity::kQuicCid;
  c.pools[0].backends[0].server_id = "0a01";
  c.quic_lb = {{.rotation = 0, .server_id_bytes = 2, .nonce_bytes = 6}};
  const auto model = model_of(c);
  auto second = backend("gpu-2", "10.0.1.2");
  EXPECT_NE(model->add_backend("llama", second).error().message.find("required"),
            std::string::npos);
  second.server_id = "0a01";
  EXPECT_EQ(model->add_backend("llama", second).error().code, Errc::kInvalid) << "it is gpu-1's";
  second.server_id = "0a02";
  ASSERT_TRUE(model->add_backend("llama", second));
  EXPECT_EQ(model->snapshot().input.pools[0].backends[1].server_id, ServerId::parse("0a02"));
}

TEST(Model, OperatorsChangesStayOverAReloadAndGoWithApplyOnly) {
  const auto model = model_of(sample(4));
  ASSERT_TRUE(model->remove_backend("llama", "gpu-1"));
  ASSERT_TRUE(model->set_weight("llama", "gpu-2", 50));
  ASSERT_TRUE(model->add_backend("llama", backend("gpu-9", "10.0.1.9")));
  ASSERT_TRUE(model->replace_file(sample(5)));
  const auto names = [&] {
    std::string all;
    for (const auto& b : model->running().pools[0].backends)
      all += fmt::format("{}:{} ", b.name, b.weight);
    return all;
  };
  EXPECT_EQ(names(), "gpu-2:50 gpu-3:100 gpu-4:100 gpu-5:100 gpu-9:100 ");
  ASSERT_TRUE(model->apply_only(sample(2)));
  EXPECT_EQ(names(), "gpu-1:100 gpu-2:100 ");
  EXPECT_TRUE(model->operator_state().pools.empty());
}

TEST(Model, WhatIsForeseenIsWhatComesToPassAndNothingHasHappenedBefore) {
  const auto model = model_of(sample(4));
  ASSERT_TRUE(model->set_weight("llama", "gpu-1", 50));
  const auto generation = model->snapshot().generation;
  const auto foreseen = model->foresee(sample(3));
  ASSERT_TRUE(foreseen) << foreseen.error().text();
  EXPECT_EQ(model->snapshot().generation, generation);
  EXPECT_EQ(model->running().pools[0].backends.size(), 4U);
  const auto made = model->apply_only(sample(3));
  ASSERT_TRUE(made);
  EXPECT_EQ(foreseen->generation, made->generation);
  EXPECT_EQ(foreseen->movement.moved, made->movement.moved);
  EXPECT_EQ(foreseen->movement.least, made->movement.least);
  EXPECT_EQ(foreseen->pools.size(), 1U);
  EXPECT_EQ(made->pools.size(), 1U);
}

TEST(Model, ToApplyWhatRunsIsForeseenAsNoChange) {
  const auto model = model_of(sample(2));
  const auto foreseen = model->foresee(sample(2));
  ASSERT_TRUE(foreseen);
  EXPECT_FALSE(foreseen->changed);
  EXPECT_EQ(foreseen->generation, model->snapshot().generation);
}

TEST(Model, AReloadThatContradictsTheOperatorsChangesChangesNothing) {
  const auto model = model_of(sample(2));
  ASSERT_TRUE(model->add_backend("llama", backend("extra", "10.0.1.3")));
  const auto refused = model->replace_file(sample(3));  // its gpu-3 has the same address
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().where, "operator's changes");
  EXPECT_EQ(model->running().pools[0].backends.size(), 3U);
  EXPECT_EQ(model->file().pools[0].backends.size(), 2U);
}

TEST(Model, GenerationsGoOnFromTheSavedOne) {
  OperatorState state;
  state.generation = 41;
  EXPECT_EQ(model_of(sample(1), state)->snapshot().generation, 42U);
}

TEST(Model, KernelsReachesComeAfterConfiguredOnes) {
  auto c = sample(1);
  c.pools[0].backends.push_back(backend("far", "10.9.9.9"));
  const auto model = model_of(c);
  EXPECT_EQ(model->addresses_to_resolve(), std::vector{v4("10.9.9.9")});
  Reach kernel{.hop = snapshot::Hop{.port = 0,
                                    .destination = MacAddress::parse("02:00:00:00:00:77").value(),
                                    .source = {},
                                    .mtu = 1500},
               .configured = false,
               .on_link = true,
               .problem = {}};
  ASSERT_TRUE(model->set_kernel_reaches({{v4("10.9.9.9"), kernel}, {v4("10.0.1.1"), kernel}}));
  EXPECT_EQ(model->reach(v4("10.9.9.9")).hop->destination.text(), "02:00:00:00:00:77");
  EXPECT_EQ(model->reach(v4("10.0.1.1")).hop->destination.text(), "02:00:00:00:00:fe");
}

TEST(Model, AChangeAsksForNextHopsBeforeItPublishes) {
  const auto model = model_of(sample(1));
  std::vector<IpAddress> asked;
  model->resolve_by([&](std::span<const IpAddress> addresses) {
    asked.assign(addresses.begin(), addresses.end());
    Reaches reaches;
    for (const auto& address : addresses)
      reaches[address].hop =
          snapshot::Hop{.port = 0,
                        .destination = MacAddress::parse("02:00:00:00:00:77").value(),
                        .source = {},
                        .mtu = 1500};
    return reaches;
  });
  const auto added = model->add_backend("llama", backend("far", "10.9.9.9"));
  ASSERT_TRUE(added) << added.error().text();
  EXPECT_EQ(asked, std::vector{v4("10.9.9.9")}) << "neighbours say how the others are reached";
  EXPECT_EQ(added->generation, 2U) << "one snapshot, not one without the hop before it";
  EXPECT_TRUE(model->snapshot().input.pools[0].backends[1].hop);
}

TEST(Model, NewsOfNextHopsThatChangesNothingPublishesNothing) {
  auto c = sample(1);
  c.pools[0].backends.push_back(backend("far", "10.9.9.9"));
  const auto model = model_of(c);
  Reach out_of_reach;
  out_of_reach.problem = "nobody answers";
  const auto told = model->set_kernel_reaches({{v4("10.9.9.9"), out_of_reach}});
  ASSERT_TRUE(told);
  EXPECT_FALSE(told->changed);
  EXPECT_EQ(model->reach(v4("10.9.9.9")).problem, "nobody answers") << "but the reason is known";
}

TEST(Model, SavedChangesThatContradictTheFileAreRefusedAtTheStart) {
  OperatorState state;
  state.pools["llama"].added.push_back(backend("extra", "10.0.1.2"));  // gpu-2 has that address
  auto c = sample(2);
  auto ports = egress_ports(c, {});
  const auto model = Model::create(std::move(c), std::move(state), std::move(ports),
                                   [] { return snapshot::Numbers::Time{}; });
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().where, "operator's changes");
}

TEST(Model, NumbersRestAsLongAsAnyTimeoutThatAReloadMaySet) {
  auto c = sample(2);
  c.flow_cache.tcp_timeout = std::chrono::seconds(10);
  c.flow_cache.udp_timeout = std::chrono::seconds(10);
  auto ports = egress_ports(c, {});
  snapshot::Numbers::Time now{};
  const auto model = Model::create(std::move(c), {}, std::move(ports), [&] { return now; }).value();
  const auto number_of = [&](std::size_t i) {
    return model->number(model->running().pools[0], model->running().pools[0].backends[i]);
  };
  const auto gone = number_of(0);
  ASSERT_TRUE(model->remove_backend("llama", "gpu-1"));
  auto longer = sample(2);
  longer.flow_cache.tcp_timeout = std::chrono::seconds(14400);
  ASSERT_TRUE(model->replace_file(std::move(longer)));
  now += std::chrono::seconds(14000);
  ASSERT_TRUE(model->add_backend("llama", backend("new", "10.0.1.9")));
  EXPECT_NE(number_of(1), gone) << "a flow of the backend that left may be in a cache still";
}

TEST(Model, SlowStartPublishesAStepWhenItIsDueAndNothingBetween) {
  auto c = sample(2);
  c.pools[0].slow_start = std::chrono::seconds(10);
  auto ports = egress_ports(c, {});
  snapshot::Numbers::Time now{std::chrono::hours(100)};
  const auto model = Model::create(std::move(c), {}, std::move(ports), [&] { return now; }).value();
  ASSERT_TRUE(model->add_backend("llama", backend("new", "10.0.1.9")));
  EXPECT_NEAR(static_cast<double>(entries(*model, "new")), 65537.0 * 10 / 210, 2);
  for (int tenth = 2; tenth <= 10; ++tenth) {
    EXPECT_FALSE(model->slow_start_is_due()) << "before its time";
    now += std::chrono::seconds(1);
    ASSERT_TRUE(model->slow_start_is_due());
    const auto step = model->follow_health();
    ASSERT_TRUE(step);
    EXPECT_TRUE(step->changed);
    EXPECT_NEAR(static_cast<double>(entries(*model, "new")), 65537.0 * tenth / (20 + tenth), 2);
  }
  now += std::chrono::seconds(100);
  EXPECT_FALSE(model->slow_start_is_due());
  EXPECT_EQ(model->running().pools[0].backends[2].weight, 100U) << "what was asked for";
}

// Of a node of many pools whose health changes at once: what a call builds is bounded, a pool takes
// its change whole or not yet, and calls enough bring all of them to it.
TEST(Model, HealthOfManyPoolsIsFollowedInCallsThatBuildFewTables) {
  auto c = sample(2);
  const auto pattern = c.pools[0];
  for (int i = 1; i < 10; ++i) {
    c.pools.push_back(pattern);
    c.pools.back().name = fmt::format("pool-{}", i);
  }
  const auto model = model_of(std::move(c));
  bool well = false;
  model->use_by([&](const std::string&, const std::string& backend) {
    return Use{backend != "gpu-1" || well, true};
  });
  const auto shares = [&] {
    std::vector<std::size_t> counts;
    for (std::size_t p = 0; p < model->snapshot().pools.size(); ++p) {
      const auto number = model->snapshot().input.pools[p].backends[0].number;
      counts.push_back(
          static_cast<std::size_t>(std::ranges::count(model->snapshot().pools[p].slots, number)));
    }
    return counts;
  };
  const auto follow = [&] {
    const auto before = shares();
    const auto done = model->follow_health();
    EXPECT_TRUE(done && done->changed);
    const auto after = shares();
    std::size_t changed = 0;
    for (std::size_t i = 0; i < after.size(); ++i) changed += before[i] != after[i] ? 1U : 0U;
    EXPECT_LE(changed * maglev::kDefaultSize, Model::kEntriesAtOnce);
    return changed;
  };
  EXPECT_FALSE(model->behind());
  std::size_t changed = 0;
  while (changed < 10) {
    const auto some = follow();
    ASSERT_GT(some, 0U);
    changed += some;
    EXPECT_EQ(model->behind(), changed < 10);
  }
  EXPECT_EQ(shares(), std::vector<std::size_t>(10, 0));

  well = true;
  EXPECT_LT(follow(), 10U);
  EXPECT_TRUE(model->behind());
  ASSERT_FALSE(model->set_weight("llama", "gpu-9", 50));
  EXPECT_TRUE(model->behind()) << "what is refused changes nothing";
  ASSERT_TRUE(model->set_weight("llama", "gpu-2", 50));
  EXPECT_FALSE(model->behind()) << "what an operator asks for is published whole";
  EXPECT_TRUE(std::ranges::none_of(shares(), [](auto n) { return n == 0; }));
}

TEST(Model, LosingAllBackendsIsAllowedAndEmptiesTheTable) {
  const auto model = model_of(sample(1));
  ASSERT_TRUE(model->remove_backend("llama", "gpu-1"));
  EXPECT_TRUE(model->snapshot().pools[0].slots.empty());
}

}  // namespace
}  // namespace sluice::control
