// SPDX-License-Identifier: Apache-2.0
#include "doctor/live.hpp"

#include "doctor/echo.hpp"
#include "doctor/who_has.hpp"
#include "health/prober.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

namespace sluice::doctor {
namespace {

using std::chrono::milliseconds;

constexpr unsigned kShort = 84;  // bytes of a usual ping
constexpr std::array<unsigned, 9> kLengths{576,  1280, 1380, 1400, 1420,
                                           1450, 1460, 1480, 1492};  // where paths end, mostly

// What a connection is asked by; the prober knows it by this name of a "pool".
enum class Way : unsigned char { kServer, kTunnel, kService, kCheck };

std::string key_of(std::size_t question, Way way) {
  return fmt::format("{} {}", static_cast<int>(way), question);
}

health::Tunnel tunnel_of(const BackendQuestion& question, const netlink::NextHop& hop,
                         const IpAddress& to) {
  health::Tunnel tunnel;
  tunnel.forwarding = question.forwarding;
  tunnel.service = to;
  if (question.encapsulation) {
    tunnel.source = question.encapsulation->source_for(question.address.is_v4());
    tunnel.variant = question.encapsulation->variant;
    tunnel.port = question.encapsulation->port;
  }
  tunnel.interface = hop.interface;
  tunnel.mac = hop.mac;
  return tunnel;
}

health::Target target_of(const BackendQuestion& question, std::size_t number, Way way,
                         milliseconds wait) {
  health::Target target{.pool = key_of(number, way),
                        .backend = question.backend,
                        .address = question.address,
                        .port = question.port,
                        .check = {}};
  target.check.interval = std::chrono::minutes(10);  // once
  target.check.timeout = wait - wait / 5;
  return target;
}

std::vector<health::Target> targets_of(const std::vector<BackendQuestion>& questions,
                                       const std::vector<BackendAnswer>& answers,
                                       milliseconds wait) {
  using config::Forwarding;
  std::vector<health::Target> targets;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const auto& q = questions[i];
    const auto& hop = answers[i].hop;
    if (!hop.ready() && !q.neighbour) continue;
    const bool tunnelled = q.forwarding == Forwarding::kIpip || q.forwarding == Forwarding::kGue;
    const bool bare = q.forwarding == Forwarding::kL2dsr && hop.ready() && hop.on_link;
    if (q.port != 0) {
      targets.push_back(target_of(q, i, Way::kServer, wait));
      if (tunnelled) {
        targets.push_back(target_of(q, i, Way::kTunnel, wait));
        targets.back().tunnel = tunnel_of(q, hop, q.address);
      }
      if ((tunnelled || bare) && q.service) {
        targets.push_back(target_of(q, i, Way::kService, wait));
        targets.back().tunnel = tunnel_of(q, hop, *q.service);
      }
      for (auto& target : targets)
        if (target.tunnel) target.check.via = config::Via::kService;
    }
    // Commands are the daemon's to run.
    if (!q.health || q.health->type == config::CheckType::kCommand ||
        q.health->via == config::Via::kService)
      continue;
    auto check = target_of(q, i, Way::kCheck, wait);
    check.port = q.health_port;
    check.check = *q.health;
    check.check.interval = std::chrono::minutes(10);
    check.check.timeout = std::min(q.health->timeout, wait - wait / 5);
    targets.push_back(std::move(check));
  }
  return targets;
}

std::vector<unsigned> lengths_up_to(unsigned mtu) {
  std::vector<unsigned> lengths{kShort};
  for (const auto length : kLengths)
    if (length < mtu) lengths.push_back(length);
  lengths.push_back(mtu);
  return lengths;
}

void ask_next_hops(EventLoop& loop, const std::vector<BackendQuestion>& questions,
                   std::vector<BackendAnswer>& answers) {
  auto hops = netlink::NextHops::open(loop);
  if (!hops) return;
  std::vector<IpAddress> addresses;
  for (const auto& question : questions) addresses.push_back(question.address);
  std::ranges::sort(addresses);
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  (*hops)->want(addresses);
  (*hops)->settle(addresses, milliseconds(1000));
  for (std::size_t i = 0; i < questions.size(); ++i)
    answers[i].hop = (*hops)->lookup(questions[i].address);
}

void ask_who_has(const config::Configuration& configuration, WhoHas& who_has) {
  std::set<IpAddress> addresses;
  for (const auto& service : configuration.services) addresses.insert(service.address);
  std::set<std::string> interfaces;
  for (const auto& port : configuration.ports)
    if (!port.kernel_interface().empty()) interfaces.insert(port.kernel_interface());
  for (const auto& interface : interfaces) (void)who_has.ask(interface, addresses);
}

std::vector<Claim> claims_of(const std::set<Claimant>& claimants,
                             const std::vector<BackendQuestion>& questions,
                             const std::vector<BackendAnswer>& answers) {
  std::vector<Claim> claims;
  for (const auto& claimant : claimants) {
    claims.push_back({claimant.address, claimant.mac, claimant.interface, {}});
    for (std::size_t i = 0; i < questions.size(); ++i)
      if (answers[i].hop.on_link && answers[i].hop.mac == claimant.mac)
        claims.back().backend = questions[i].name();
  }
  return claims;
}

}  // namespace

Result<Heard> ask(const config::Configuration& configuration,
                  const std::vector<BackendQuestion>& questions, milliseconds wait) {
  auto loop = EventLoop::open();
  if (!loop) return forward_error(loop);
  Heard heard;
  heard.answers.resize(questions.size());
  ask_next_hops(**loop, questions, heard.answers);

  auto prober = health::Prober::open(**loop, {.seed = 1});
  if (!prober) return forward_error(prober);
  Echoes echoes(**loop);
  WhoHas who_has(**loop);
  std::map<std::string, health::Outcome> outcomes;
  (*prober)->on_outcome([&](const health::Target& target, const health::Outcome& outcome) {
    outcomes.emplace(target.pool, outcome);
  });
  (*prober)->set_targets(targets_of(questions, heard.answers, wait));
  for (std::size_t i = 0; i < questions.size(); ++i)
    if (heard.answers[i].hop.ready())
      echoes.ask(questions[i].address, lengths_up_to(questions[i].mtu));
  ask_who_has(configuration, who_has);
  // What does not come has no way to say so: it takes the whole time, unless all have answered and
  // nobody may still claim an address.
  const auto least = (*loop)->now() + wait / 3;
  const auto most = (*loop)->now() + wait;
  const auto wanted = (*prober)->targets();
  while ((*loop)->now() < most) {
    (void)(*loop)->turn(milliseconds(20));
    if ((*loop)->now() >= least && outcomes.size() >= wanted && echoes.complete()) break;
  }
  for (std::size_t i = 0; i < questions.size(); ++i) {
    auto& answer = heard.answers[i];
    const auto take = [&](Way way) {
      const auto found = outcomes.find(key_of(i, way));
      return found == outcomes.end() ? std::nullopt : std::optional(found->second);
    };
    answer.server = take(Way::kServer);
    answer.tunnel = take(Way::kTunnel);
    answer.service = take(Way::kService);
    answer.check = take(Way::kCheck);
    answer.longest_echo = echoes.longest(questions[i].address);
    answer.echo = answer.longest_echo != 0;
  }
  heard.claims = claims_of(who_has.claimants(), questions, heard.answers);
  return heard;
}

void examine_backends(const config::Configuration& configuration, Findings& findings) {
  const auto questions = backend_questions(configuration, kMostBackends);
  const auto heard = ask(configuration, questions);
  if (!heard) return findings.warn("backends", heard.error().text(), "run it on the node, as root");
  for (std::size_t i = 0; i < questions.size(); ++i)
    judge(questions[i], heard->answers[i], findings);
  for (const auto& claim : heard->claims) judge(claim, findings);
  std::size_t backends = 0;
  for (const auto& pool : configuration.pools) backends += pool.backends.size();
  if (backends > questions.size())
    findings.warn("backends",
                  fmt::format("{} were not asked: too many at once", backends - questions.size()),
                  "sluicectl health");
}

}  // namespace sluice::doctor
