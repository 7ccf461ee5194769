// SPDX-License-Identifier: Apache-2.0
#include "client/show.hpp"

#include "client/table.hpp"

#include <algorithm>

namespace sluice::client {
namespace {

// Every column of numbers.
Column number(std::string title) { return {std::move(title), Align::kRight}; }

// `empty` where the table has no rows: a title line over nothing says less.
std::string text_of(const Table& table, const Look& look, std::string_view empty) {
  return table.empty() ? std::string(empty) + "\n" : table.text(look.colour);
}

std::string joined(const std::vector<View>& list, std::string_view between) {
  std::string text;
  for (const auto& element : list) {
    if (text.size() > 200) return text + std::string(between) + "…";
    text += (text.empty() ? "" : std::string(between)) + element.text(64);
  }
  return text;
}

std::string address_text(const View& service) {
  auto address = service["address"].text(64);
  if (address.find(':') != address.npos) address = "[" + address + "]";
  const auto port = service["port"].whole();
  return fmt::format("{}:{}", address, port && *port == 0 ? "*" : service["port"].text(8));
}

// "up" where all are; a service without a backend that takes flows serves nobody.
Cell backends_cell(const View& service) {
  const auto up = service["backends_up"].whole();
  const auto total = service["backends_total"].whole();
  const Tone tone = up && *up == 0 ? Tone::kBad : up == total ? Tone::kGood : Tone::kWarning;
  return {fmt::format("{}/{}", service["backends_up"].count(), service["backends_total"].count()),
          tone};
}

std::string note_on(const View& backend) {
  std::string note;
  const auto add = [&](std::string text) { note += (note.empty() ? "" : ", ") + std::move(text); };
  if (backend["origin"].is("operator")) add("added by operator");
  if (backend["operator"].is("drain")) add("drained by operator");
  if (backend["operator"].is("maintenance")) add("taken out by operator");
  const auto configured = backend["configured_weight"].whole();
  const auto in_force = backend["weight_now"].whole();
  if (in_force && backend["weight"].whole() != in_force)
    add(fmt::format("slow start, weight {} now", *in_force));
  if (configured && backend["weight"].whole() != configured)
    add(fmt::format("weight {} in the file", *configured));
  return note;
}

// `part` of `whole` as a percentage; "-" before anything was counted.
std::string percentage(std::optional<std::uint64_t> part, std::optional<std::uint64_t> whole) {
  if (!part || !whole) return "?";
  if (*whole == 0) return "-";
  return share_text(static_cast<double>(*part) / static_cast<double>(*whole));
}

std::string decimal(const View& value) {
  const auto number = value.real();
  return number ? fmt::format("{:.1f}", *number) : "?";
}

std::string queues_text(const View& queues) {
  const auto list = queues.items();
  if (!list) return "?";
  std::string text;
  for (const auto& queue : *list) {
    text += fmt::format("{}{}/{}", text.empty() ? "" : " ", queue["port"].text(32),
                        queue["queue"].text(8));
    if (text.size() > 200) break;
  }
  return text;
}

// "answered: 7 answered_echo, ..." or nothing: packets that are no drops and not forwarded either.
std::string answers_text(const View& answers) {
  const auto list = answers.items();
  if (!list) return {};
  std::string text;
  for (const auto& one : *list)
    if (one["packets"].whole().value_or(0) != 0 && text.size() < 200)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", one["packets"].count(),
                          one["reason"].text(32));
  return text.empty() ? text : "answered by the node: " + text + "\n";
}

std::optional<std::uint64_t> sum(std::optional<std::uint64_t> a, std::optional<std::uint64_t> b) {
  if (!a || !b) return std::nullopt;
  return *a + *b;
}

}  // namespace

Result<std::vector<View>> list_of(const View& answer, std::string_view key) {
  auto list = answer[key].items();
  if (!list)
    return fail(Errc::kIo, "",
                "the daemon's answer has no list '{}'; is it sluiced that listens there?", key);
  return std::move(*list);
}

std::string next_hop_text(const View& next_hop) {
  if (!next_hop["resolved"].is_true()) return "unresolved: " + next_hop["problem"].text();
  return fmt::format("{} on {} ({})", next_hop["mac"].text(), next_hop["port"].text(),
                     next_hop["source"].text());
}

Tone tone_of_state(const View& state) {
  if (state.is("up")) return Tone::kGood;
  for (const std::string_view word : {"degraded", "draining", "maintenance", "starting"})
    if (state.is(word)) return Tone::kWarning;
  return Tone::kBad;
}

Result<std::string> show_services(const View& answer, const Look& look) {
  const auto services = list_of(answer, "services");
  if (!services) return forward_error(services);
  Table table({{"SERVICE"},
               {"PROTOCOL"},
               {"ADDRESS", Align::kLeft, 56},
               {"POOL"},
               {"FORWARDING"},
               number("BACKENDS UP"),
               number("PACKETS"),
               number("BYTES"),
               number("NEW FLOWS")});
  for (const auto& s : *services)
    table.add({{s["name"].text(), Tone::kStrong},
               {s["protocol"].text()},
               {address_text(s)},
               {s["pool"].text()},
               {s["forwarding"].text()},
               backends_cell(s),
               {s["packets"].count()},
               {s["bytes"].count()},
               {s["new_flows"].count()}});
  return text_of(table, look, "no services");
}

Result<std::string> show_pools(const View& answer, const Look& look) {
  const auto pools = list_of(answer, "pools");
  if (!pools) return forward_error(pools);
  Table table({{"POOL"},
               {"FORWARDING"},
               {"POLICY"},
               {"AFFINITY"},
               number("SLOTS"),
               number("BACKENDS"),
               {"NAMES", Align::kLeft, 80}});
  for (const auto& p : *pools) {
    const auto backends = p["backends"].items();
    table.add({{p["name"].text(), Tone::kStrong},
               {p["forwarding"].text()},
               {p["policy"].text()},
               {p["affinity"].text()},
               {p["table_size"].text()},
               {backends ? std::to_string(backends->size()) : "?"},
               {backends ? joined(*backends, ", ") : "?"}});
  }
  return text_of(table, look, "no pools");
}

Result<std::string> show_backends(const View& answer, const Look& look) {
  const auto backends = list_of(answer, "backends");
  if (!backends) return forward_error(backends);
  Table table({{"POOL"},
               {"BACKEND"},
               {"ADDRESS"},
               {"STATE"},
               number("WEIGHT"),
               number("ASKED"),
               number("OF SLOTS"),
               number("PACKETS"),
               number("BYTES"),
               number("NEW FLOWS"),
               number("ACTIVE"),
               {"NOTE", Align::kLeft, 80, true},
               {"NEXT HOP", Align::kLeft, 240}});
  for (const auto& b : *backends) {
    const auto hop = b["next_hop"];
    table.add({{b["pool"].text()},
               {b["name"].text(), Tone::kStrong},
               {b["address"].text()},
               {b["state"].text(), tone_of_state(b["state"])},
               {b["weight"].text(20)},
               {b["weight_share"].share()},
               {b["slots_share"].share()},
               {b["packets"].count()},
               {b["bytes"].count()},
               {b["new_flows"].count()},
               {b["active_flows"].count()},
               {note_on(b), Tone::kWarning},
               {next_hop_text(hop), hop["resolved"].is_true() ? Tone::kPlain : Tone::kBad}});
  }
  return text_of(table, look, "no backends");
}

Result<std::string> show_workers(const View& answer, const Look& look) {
  const auto workers = list_of(answer, "workers");
  if (!workers) return forward_error(workers);
  Table table({number("WORKER"),
               number("LCORE"),
               {"QUEUES"},
               number("BUSY"),
               number("PACKETS"),
               number("PER BURST"),
               number("CYCLES EACH"),
               number("POLLS"),
               number("EMPTY"),
               number("FLOWS"),
               number("CACHE HITS"),
               number("FLOWS ADDED"),
               number("EXPIRED"),
               number("EVICTED NEW"),
               number("EVICTED LIVE"),
               number("NAT SESSIONS")});
  for (const auto& w : *workers) {
    const auto cache = w["flow_cache"];
    const auto hits = cache["hits"].whole();
    const auto live = cache["evictions_established"];
    table.add({{w["id"].text(8)},
               {w["lcore"].text(8)},
               {queues_text(w["queues"])},
               {w["busy_ratio"].share()},
               {w["packets"].count()},
               {decimal(w["packets_per_burst"])},
               {decimal(w["cycles_per_packet"])},
               {w["polls"].count()},
               {percentage(w["empty_polls"].whole(), w["polls"].whole())},
               {cache["flows"].count()},
               {percentage(hits, sum(hits, cache["misses"].whole()))},
               {cache["inserts"].count()},
               {cache["expired"].count()},
               {cache["evictions_new"].count()},
               {live.count(), live.whole().value_or(0) != 0 ? Tone::kWarning : Tone::kPlain},
               {w["nat"]["sessions"].count()}});
  }
  return text_of(table, look, "no workers");
}

Result<std::string> show_flows(const View& answer, const Look& look) {
  const auto flows = list_of(answer, "flows");
  if (!flows) return forward_error(flows);
  Table table({number("WORKER"), {"POOL"}, {"BACKEND"}, {"STATE"}, number("IDLE S"), {"HASH TAG"}});
  for (const auto& f : *flows)
    table.add({{f["worker"].text(8)},
               {f["pool"].is_string() ? f["pool"].text() : "gone"},
               {f["backend"].is_string() ? f["backend"].text()
                                         : fmt::format("number {}", f["number"].text(8)),
                Tone::kStrong},
               {f["state"].text(16)},
               {f["idle_s"].text(8)},
               {f["tag"].text(16)}});
  if (table.empty()) return std::string("no flows\n");
  return table.text(look.colour) + fmt::format("{} flows, of {} entries looked at, {} in all\n",
                                               flows->size(), answer["looked_at"].count(),
                                               answer["capacity"].count());
}

Result<std::string> show_drops(const View& answer, const Look& look, bool all) {
  auto drops = list_of(answer, "drops");
  if (!drops) return forward_error(drops);
  const auto packets = [](const View& drop) { return drop["packets"].whole(); };
  if (!all) {
    std::erase_if(*drops, [&](const View& drop) { return packets(drop) == std::uint64_t{0}; });
    std::ranges::stable_sort(*drops,
                             [&](const View& a, const View& b) { return packets(a) > packets(b); });
  }
  Table table({{"REASON"}, number("PACKETS"), {"REMEDY", Align::kLeft, 200}});
  for (const auto& drop : *drops)
    table.add({{drop["reason"].text(), Tone::kStrong},
               {drop["packets"].count()},
               {drop["remedy"].is_string() ? drop["remedy"].text() : ""}});
  const auto answered = answers_text(answer["answers"]);
  if (table.empty()) return "nothing was dropped\n" + answered;
  return table.text(look.colour) + fmt::format("{} dropped in all\n", answer["total"].count()) +
         answered;
}

}  // namespace sluice::client
