// SPDX-License-Identifier: Apache-2.0
#include "client/show.hpp"

#include <algorithm>

namespace sluice::client {
namespace {

constexpr std::size_t kFaultsShown = 8;  // status fits one screen

void add_readiness(Listing& out, const View& status) {
  if (status["stopping"].is_true())
    out.add("ready", "no: the daemon is stopping", Tone::kWarning);
  else if (status["ready"].is_true())
    out.add("ready", "yes", Tone::kGood);
  else
    out.add("ready", "NO: " + status["not_ready_because"].text(), Tone::kBad);
}

void add_configuration(Listing& out, const View& configuration, TimePoint now) {
  std::string line = configuration["file"].text();
  if (configuration["loaded_at"].present())
    line += ", loaded " + ago_text(configuration["loaded_at"].text(40), now);
  if (const auto own = configuration["operator_changes"].whole(); own && *own != 0)
    line += fmt::format(", with {} by the operator", plural(*own, "change"));
  out.add("configuration", line);

  const auto reload = configuration["last_reload"];
  if (!reload.present()) return;
  const auto when = ago_text(reload["at"].text(40), now);
  if (reload["ok"].is_true()) {
    out.add("last reload", "OK, " + when, Tone::kGood);
    return;
  }
  out.add("last reload", fmt::format("REFUSED {}; the configuration before it stays", when),
          Tone::kBad);
  const auto faults = reload["faults"].items();
  if (!faults) return;
  for (std::size_t i = 0; i < std::min(faults->size(), kFaultsShown); ++i)
    out.add("", (*faults)[i].text(), Tone::kBad);
  if (faults->size() > kFaultsShown)
    out.add("", fmt::format("and {} more: see --json", faults->size() - kFaultsShown));
}

void add_state(Listing& out, const View& state) {
  if (!state.present()) return;
  if (state["writable"].is_true())
    out.add("state", state["directory"].text() + ", writable");
  else
    out.add("state",
            fmt::format("{}: NOT WRITABLE: {}; changes are lost at a restart",
                        state["directory"].text(), state["problem"].text()),
            Tone::kBad);
}

void add_books(Listing& out, const View& books) {
  auto line = fmt::format("rx {} = forward {} + host {} + answer {} + drop {}", books["rx"].text(),
                          books["forward"].text(), books["host"].text(), books["answer"].text(),
                          books["drop"].text());
  if (const auto n = books["in_flight"].whole(); n && *n != 0)
    line += fmt::format(" + in flight {}", *n);
  if (books["balanced"].is_true())
    out.add("books", line + ": balanced", Tone::kGood);
  else if (books["balanced"].is_false())
    out.add("books", line + ": OUT OF BALANCE", Tone::kBad);
  else
    out.add("books", line);
}

void add_objects(Listing& out, const View& status) {
  const auto counted = [&](std::string_view key, std::string_view noun) {
    const auto n = status[key].whole();
    return n ? plural(*n, noun) : fmt::format("? {}s", noun);
  };
  const auto backends = status["backends"];
  const bool down = backends["down"].whole().value_or(0) != 0;
  const auto total = backends["total"].whole();
  out.add(
      "objects",
      fmt::format("{}, {}, {} ({} up, {} draining, {} down)", counted("services", "service"),
                  counted("pools", "pool"), total ? plural(*total, "backend") : "? backends",
                  backends["up"].count(), backends["draining"].count(), backends["down"].count()),
      down ? Tone::kWarning : Tone::kPlain);
  out.add("workers", fmt::format("{}, {}", status["workers"].count(),
                                 status["huge_pages"].is_true() ? "huge pages" : "no huge pages"));
}

// Those that have counted anything: all of them are longer than a column may be.
std::string counters_text(const View& counters) {
  std::string text;
  for (const auto& [key, value] : counters.members())
    if (value.whole() != 0U)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", key, value.count());
  return text;
}

std::string ports_text(const View& ports, bool colour) {
  const auto list = ports.items();
  if (!list || list->empty()) return "";
  Table table({{"PORT"},
               {"INTERFACE"},
               {"LINK"},
               {"MTU", Align::kRight},
               {"QUEUES", Align::kRight},
               {"RX", Align::kRight},
               {"MISSED", Align::kRight},
               {"RX ERRORS", Align::kRight},
               {"TX", Align::kRight},
               {"TX ERRORS", Align::kRight},
               {"XDP"},
               {"XDP PACKETS", Align::kLeft, 80, true}});
  const auto fault = [](const View& counter) {
    return Cell{counter.count(), counter.whole().value_or(0) != 0 ? Tone::kWarning : Tone::kPlain};
  };
  for (const auto& port : *list) {
    const auto xdp = port["xdp"];
    const auto interface = port["interface"].text();
    table.add({{port["name"].text(), Tone::kStrong},
               {interface.empty() || interface == "?" ? "none" : interface},
               {port["link"].text(), port["link"].is("up") ? Tone::kGood : Tone::kBad},
               {port["mtu"].text()},
               {port["queues"].text()},
               {port["rx_packets"].count()},
               fault(port["rx_missed"]),
               fault(port["rx_errors"]),
               {port["tx_packets"].count()},
               fault(port["tx_errors"]),
               {xdp["mode"].is_string() ? xdp["mode"].text() : "none"},
               {counters_text(xdp["counters"])}});
  }
  return "\n" + table.text(colour);
}

}  // namespace

Result<std::string> show_status(const View& answer, const Look& look) {
  if (!answer["node"].present() && !answer["version"].present())
    return fail(Errc::kIo, "",
                "the daemon's answer is not a status; is it sluiced that listens there?");
  Listing out;
  out.add("node", answer["node"].text(), Tone::kStrong);
  out.add("version",
          fmt::format("{} ({}), pid {}, up {}", answer["version"].text(), answer["isa"].text(),
                      answer["pid"].text(), answer["uptime_s"].duration()));
  add_readiness(out, answer);
  add_configuration(out, answer["configuration"], look.now);
  out.add("generation", fmt::format("{}, published {} ago", answer["generation"].text(),
                                    answer["generation_age_s"].duration()));
  add_state(out, answer["state"]);
  add_books(out, answer["books"]);
  add_objects(out, answer);
  return out.text(look.colour) + ports_text(answer["ports"], look.colour);
}

}  // namespace sluice::client
