// SPDX-License-Identifier: Apache-2.0
// The NAT table against a slow model with maps and unbounded time.
#include "flow/nat_fixture.hpp"
#include "flow/nat_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <map>
#include <optional>
#include <random>
#include <set>

namespace sluice::flow {
namespace {

using test::local_port;
using test::nat_client;
using test::nat_request;
using test::NatRig;

constexpr NatTimeouts kShortTimeouts{.tcp = 40, .udp = 20};
constexpr std::uint32_t kIsn = 7000;  // of every backend

/// The rules of docs/design/nat.md in plain words. Time never wraps here.
struct SessionModel {
  struct Session {
    unsigned client;
    bool udp;
    unsigned backend, local, port;
    NatState state = NatState::kNew;
    bool found_by_client = true;
    bool began = false;  // the client's SYN was seen
    std::uint64_t time;
  };
  using Sessions = std::list<Session>;

  Sessions sessions;  // in order of opening
  std::size_t capacity;

  Session* of_client(unsigned client, bool udp) {
    for (auto& s : sessions)
      if (s.found_by_client && s.client == client && s.udp == udp) return &s;
    return nullptr;
  }
  static bool embryonic(const Session& s) {
    return s.state == NatState::kNew || s.state == NatState::kAnswered;
  }
  static std::uint64_t lifetime(const Session& s) {
    if (s.state == NatState::kClosing) return kNatClosingTicks;
    if (embryonic(s)) return s.udp ? kNatUnansweredUdpTicks : kNatNewTicks;
    return s.udp ? kShortTimeouts.udp : kShortTimeouts.tcp;
  }
  void sweep(std::uint64_t now) {
    sessions.remove_if([&](const Session& s) { return now - s.time > lifetime(s); });
  }
  std::size_t used(bool udp, unsigned backend, unsigned local) const {
    return static_cast<std::size_t>(std::ranges::count_if(sessions, [&](const Session& s) {
      return s.udp == udp && s.backend == backend && s.local == local;
    }));
  }
  Sessions::iterator oldest(auto&& fits) {
    return std::ranges::find_if(sessions,
                                [&](const Session& s) { return embryonic(s) && fits(s); });
  }
  /// What open() has to do: the local address, and the session that gives way, if any.
  struct Plan {
    NatOutcome outcome;
    unsigned local = 0;
    Sessions::iterator gives_way;
  };
  Plan plan(bool udp, unsigned backend, unsigned locals, unsigned ports) {
    const auto any = oldest([](const Session&) { return true; });
    const bool full = sessions.size() == capacity;
    if (full && any == sessions.end()) return {NatOutcome::kTableFull, 0, any};
    for (unsigned l = 1; l <= locals; ++l)
      if (used(udp, backend, l) < ports)
        return {NatOutcome::kOpened, l, full ? any : sessions.end()};
    for (unsigned l = 1; l <= locals; ++l) {
      const auto one = oldest(
          [&](const Session& s) { return s.udp == udp && s.backend == backend && s.local == l; });
      if (one != sessions.end()) return {NatOutcome::kOpened, l, one};
    }
    return {NatOutcome::kNoPort, 0, sessions.end()};
  }
  static void packet(Session& s, bool from_client, std::uint8_t flags, bool right,
                     std::uint64_t now) {
    s.time = now;
    if (s.udp) {
      if (!from_client && s.state == NatState::kNew) s.state = NatState::kEstablished;
      return;
    }
    const bool syn = (flags & wire::kTcpSyn) != 0;
    const bool ack = (flags & wire::kTcpAck) != 0;
    if (embryonic(s)) {
      if ((flags & wire::kTcpRst) != 0) return;
      if (!from_client && syn && ack) s.state = NatState::kAnswered;
      if (from_client && syn && !s.began) s.state = NatState::kNew;
      s.began |= from_client && syn;
      if (!from_client || syn || !ack || !right || s.state != NatState::kAnswered) return;
      s.state = NatState::kEstablished;
    }
    if ((flags & wire::kTcpRst) != 0) s.state = NatState::kClosing;
    if ((flags & wire::kTcpFin) == 0 || s.state == NatState::kClosing) return;
    const auto own = from_client ? NatState::kClientFinished : NatState::kBackendFinished;
    s.state = s.state == NatState::kEstablished || s.state == own ? own : NatState::kClosing;
  }
};

struct SessionLoad {
  const char* name;
  unsigned clients;
  std::size_t sessions;
  unsigned ports;
  unsigned closing_of_64;
  std::uint8_t family;
};

std::ostream& operator<<(std::ostream& to, const SessionLoad& w) { return to << w.name; }

class NatModel : public testing::TestWithParam<SessionLoad> {};

TEST_P(NatModel, AgreesWithMaps) {
  const SessionLoad& w = GetParam();
  constexpr unsigned kLocals = 2;
  NatRig table({.sessions = w.sessions, .port_sets = 32});
  SessionModel model{.sessions = {}, .capacity = w.sessions};
  std::mt19937 random(w.clients);  // NOLINT(cert-msc51-cpp): a fixed seed, on purpose
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  std::uint64_t time = kTickMask - 100;  // wraps soon
  std::map<NatOutcome, unsigned> outcomes;
  for (int step = 0; step < 30000; ++step) {
    if (below(16) == 0) time += below(6);
    const auto now = static_cast<Tick>(time & kTickMask);
    const unsigned client = below(w.clients);
    const bool udp = below(4) == 0;
    const FlowKey key = nat_client(client, udp ? wire::kIpProtoUdp : wire::kIpProtoTcp, w.family);
    SessionModel::Session* const known = model.of_client(client, udp);
    NatSession* const session = table.from(NatSide::kClient, key);
    ASSERT_EQ(session != nullptr, known != nullptr) << step;
    if (below(64) == 0) {
      table.sweep(table.capacity(), now, kShortTimeouts);
      model.sweep(time);
      continue;
    }
    if (session == nullptr) {
      const unsigned backend = below(3);
      auto plan = model.plan(udp, backend, kLocals, w.ports);
      const NatOpened o = table.open(nat_request(table, key, backend, kLocals, w.ports), now);
      ++outcomes[o.outcome];
      ASSERT_EQ(o.outcome, plan.outcome) << step;
      if (o.outcome != NatOutcome::kOpened) continue;
      if (plan.gives_way != model.sessions.end()) model.sessions.erase(plan.gives_way);
      ASSERT_EQ(o.session->word0[kNatLocal], plan.local);
      for (const auto& s : model.sessions)
        ASSERT_FALSE(s.udp == udp && s.backend == backend && s.local == plan.local &&
                     s.port == local_port(*o.session))
            << "a local port in use was given again";
      model.sessions.push_back({.client = client,
                                .udp = udp,
                                .backend = backend,
                                .local = plan.local,
                                .port = local_port(*o.session),
                                .time = time});
      continue;
    }
    ASSERT_EQ(session->state, known->state) << step;
    ASSERT_EQ(local_port(*session), known->port);
    ASSERT_EQ(table.from(NatSide::kBackend, nat_key(*session, NatSide::kBackend)), session);
    if (below(200) == 0) {
      table.retire(*session, now);
      known->state = NatState::kClosing;
      known->found_by_client = false;
      known->time = time;
      continue;
    }
    static constexpr std::uint8_t kUsual[] = {wire::kTcpSyn, wire::kTcpAck,
                                              wire::kTcpSyn | wire::kTcpAck};
    static constexpr std::uint8_t kEnds[] = {wire::kTcpFin | wire::kTcpAck, wire::kTcpRst};
    const std::uint8_t flags = below(64) < w.closing_of_64 ? kEnds[below(2)] : kUsual[below(3)];
    const bool from_client = below(2) == 0;
    const bool right = below(4) != 0;
    table.track(*session, from_client ? NatSide::kClient : NatSide::kBackend, flags, kIsn,
                right ? kIsn + 1 : kIsn - 1, now);
    SessionModel::packet(*known, from_client, flags, right, time);
    ASSERT_EQ(session->state, known->state) << step;
  }
  ASSERT_EQ(table.sessions(), model.sessions.size());
  const NatStats& s = table.stats();
  EXPECT_EQ(table.sessions(), s.opened.value() - s.expired.value() - s.evicted.value());
  EXPECT_EQ(s.no_port.value(), outcomes[NatOutcome::kNoPort]);
  EXPECT_EQ(s.table_full.value(), outcomes[NatOutcome::kTableFull]);
  EXPECT_EQ(s.opened.value(), outcomes[NatOutcome::kOpened]);
  EXPECT_GT(s.opened.value(), 100U);
}

INSTANTIATE_TEST_SUITE_P(Workloads, NatModel,
                         testing::Values(SessionLoad{"roomy", 300, 1000, 500, 4, 4},
                                         SessionLoad{"few_ports", 300, 1000, 20, 4, 4},
                                         SessionLoad{"few_sessions", 300, 50, 500, 2, 6},
                                         SessionLoad{"both", 500, 120, 25, 1, 6},
                                         SessionLoad{"one_index_line", 20, 3, 9, 8, 4}),
                         [](const auto& w) { return w.param.name; });

}  // namespace
}  // namespace sluice::flow
