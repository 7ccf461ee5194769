// SPDX-License-Identifier: Apache-2.0
#include "doctor/backend.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sluice::doctor {
namespace {

using health::Fault;
using Said = std::optional<health::Outcome>;

// A packet came there and something came back, be it a refusal.
bool reached(const Said& heard) {
  return heard && (heard->ok() || heard->fault == Fault::kRefused);
}

bool silent(const Said& heard) {
  return heard && (heard->fault == Fault::kTimeout || heard->fault == Fault::kUnreachable);
}

bool could_not_ask(const Said& heard) { return heard && heard->fault == Fault::kLocal; }

const config::Service* service_of(const config::Configuration& configuration,
                                  const std::string& pool) {
  const auto uses = [&](const config::Service& service) {
    return service.pool == pool ||
           std::ranges::any_of(service.shards, [&](const auto& s) { return s.pool == pool; });
  };
  const auto at = std::ranges::find_if(configuration.services, uses);
  return at == configuration.services.end() ? nullptr : &*at;
}

std::string on(const BackendQuestion& question, std::string_view command) {
  return fmt::format("on {}: {}", question.backend, command);
}

std::string vip(const BackendQuestion& question) {
  return fmt::format("{}/{}", question.service->text(), question.service->bits());
}

// False: nothing else need be asked.
bool judge_hop(const BackendQuestion& question, const netlink::NextHop& hop, Findings& findings) {
  using netlink::HopState;
  if (hop.ready() || question.neighbour) return true;
  const auto check = "backend " + question.name();
  const auto address = question.address.text();
  const auto what = fmt::format("neighbour unresolved: {} is out of reach: {}", address,
                                hop.problem.empty() ? "the kernel does not say why" : hop.problem);
  switch (hop.state) {
    case HopState::kNoAnswer:
    case HopState::kResolving:
      findings.fail(check, what,
                    fmt::format("ip neigh show {} dev {}; mend its address, cable or VLAN, or give "
                                "its MAC in \"neighbours\"",
                                hop.on_link ? address : hop.gateway.text(), hop.interface));
      break;
    case HopState::kLinkDown:
      findings.fail(check, what, fmt::format("ip link set dev {} up", hop.interface));
      break;
    case HopState::kLocal:
      findings.fail(check, what, fmt::format("ip addr del {} from this node", address));
      break;
    default:
      findings.fail(check, what, fmt::format("ip route add {} dev PORT", address));
      break;
  }
  return false;
}

// The way that packets of clients take. False: the rest follows from what was found.
bool judge_service(const BackendQuestion& question, const BackendAnswer& answer,
                   Findings& findings) {
  const auto check = "backend " + question.name();
  if (!reached(answer.server) && !reached(answer.service) && !answer.echo) {
    if (!silent(answer.server)) return true;
    findings.fail(
        check,
        fmt::format("{} answers nothing, though its MAC address is known", question.address.text()),
        on(question, "ip addr; nft list ruleset"));
    return false;
  }
  if (!silent(answer.service)) return true;
  if (silent(answer.tunnel) && !reached(answer.tunnel)) {
    findings.fail(
        check, "it does not take the tunnel's header off",
        on(question, question.forwarding == config::Forwarding::kGue
                         ? fmt::format("ip fou add port {} ipproto 4", question.encapsulation->port)
                         : "ip link add tunl0 type ipip; ip link set dev tunl0 up"));
    return false;
  }
  findings.fail(check,
                fmt::format("VIP {} is missing on it: it answers at its own address and not at the "
                            "service's",
                            question.service->text()),
                on(question, fmt::format("ip addr add {} dev lo", vip(question))));
  return false;
}

void judge_server(const BackendQuestion& question, const BackendAnswer& answer,
                  Findings& findings) {
  const auto check = "backend " + question.name();
  const bool as_service = answer.service && answer.service->ok();
  const bool serves = as_service || (answer.server && answer.server->ok());
  const bool check_refused = answer.check && answer.check->fault == Fault::kRefused;
  if (check_refused && serves && question.health_port != question.port) {
    findings.fail("health " + question.name(),
                  fmt::format("health port {} is wrong: nobody listens there, the server is on {}",
                              question.health_port, question.port),
                  fmt::format("set \"port\" of the health check of pool {} to {}, then sluicectl "
                              "reload",
                              question.pool, question.port));
  } else if (answer.check && !answer.check->ok() && !could_not_ask(answer.check)) {
    findings.fail("health " + question.name(),
                  fmt::format("the health check fails: {}{}{}", health::name(answer.check->fault),
                              answer.check->detail.empty() ? "" : ": ", answer.check->detail),
                  check_refused ? on(question, fmt::format("start what listens on port {}",
                                                           question.health_port))
                                : on(question, "look at the server's log"));
  } else if (!question.udp && !serves && (reached(answer.server) || reached(answer.service))) {
    findings.fail(
        check, fmt::format("no server listens on port {}", question.port),
        on(question, fmt::format("start the server, on port {} of every address", question.port)));
  }
}

void judge_length(const BackendQuestion& question, const BackendAnswer& answer,
                  Findings& findings) {
  if (!answer.echo || answer.longest_echo == 0 || answer.longest_echo >= question.mtu) return;
  findings.fail(
      "mtu " + question.name(),
      fmt::format("wrong MTU on the way: packets of {} bytes do not come through, of {} they do",
                  question.mtu, answer.longest_echo),
      fmt::format("on {} and on the way: ip link set dev DEVICE mtu {}; or here: ip route replace "
                  "{} dev {}{} mtu {}",
                  question.backend, question.mtu, question.address.text(), answer.hop.interface,
                  answer.hop.on_link ? "" : " via " + answer.hop.gateway.text(),
                  answer.longest_echo));
}

}  // namespace

std::vector<BackendQuestion> backend_questions(const config::Configuration& configuration,
                                               std::size_t most) {
  unsigned mtu = 0;
  for (const auto& port : configuration.ports)
    mtu = mtu == 0 ? port.mtu : std::min<unsigned>(mtu, port.mtu);
  std::vector<BackendQuestion> questions;
  for (const auto& pool : configuration.pools) {
    const auto* const service = service_of(configuration, pool.name);
    for (const auto& backend : pool.backends) {
      if (questions.size() == most) return questions;
      BackendQuestion one{.pool = pool.name,
                          .backend = backend.name,
                          .address = backend.address,
                          .weight = backend.weight,
                          .forwarding = pool.forwarding,
                          .encapsulation = pool.encapsulation,
                          .health = pool.health,
                          .mtu = mtu};
      one.port = backend.port;
      if (service != nullptr) {
        one.service = service->address;
        one.udp = service->protocol != config::Protocol::kTcp;
        if (one.port == 0) one.port = service->port;
      }
      if (pool.health) one.health_port = pool.health->port;
      if (one.health_port == 0) one.health_port = one.port;
      one.neighbour = std::ranges::any_of(configuration.neighbours, [&](const auto& neighbour) {
        return neighbour.address.contains(backend.address);
      });
      questions.push_back(std::move(one));
    }
  }
  return questions;
}

void judge(const BackendQuestion& question, const BackendAnswer& answer, Findings& findings) {
  const auto before = findings.list().size();
  if (question.weight == 0)
    findings.warn(
        "backend " + question.name(), "weight 0: it gets no new flows",
        fmt::format("sluicectl backend weight {} {} 100", question.pool, question.backend));
  if (!judge_hop(question, answer.hop, findings)) return;
  for (const auto* heard : {&answer.server, &answer.service, &answer.check})
    if (could_not_ask(*heard))
      return findings.warn("backend " + question.name(),
                           "it could not be asked: " + (*heard)->detail, "run it as root");
  if (judge_service(question, answer, findings)) judge_server(question, answer, findings);
  judge_length(question, answer, findings);
  if (findings.list().size() != before) return;
  findings.ok("backend " + question.name(),
              fmt::format("{}{}{}", answer.hop.mac.text(),
                          answer.service && answer.service->ok() ? ", answers as the service" : "",
                          answer.longest_echo == 0
                              ? std::string()
                              : fmt::format(", {} bytes come through", answer.longest_echo)));
}

void judge(const Claim& claim, Findings& findings) {
  const auto check = "address " + claim.address.text();
  if (claim.backend.empty())
    return findings.fail(check,
                         fmt::format("{} on {} claims it too: clients may reach that",
                                     claim.mac.text(), claim.interface),
                         fmt::format("there: ip addr del {} dev DEVICE", claim.address.text()));
  findings.fail(
      check,
      fmt::format("{} answers ARP requests for it: clients there pass this node by", claim.backend),
      fmt::format("on {}: sysctl -w net.ipv4.conf.all.arp_ignore=1 "
                  "net.ipv4.conf.all.arp_announce=2",
                  claim.backend.substr(claim.backend.find('/') + 1)));
}

}  // namespace sluice::doctor
