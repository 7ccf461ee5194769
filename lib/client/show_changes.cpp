// SPDX-License-Identifier: Apache-2.0
#include "client/show.hpp"

#include <algorithm>

namespace sluice::client {
namespace {

constexpr std::size_t kWidestValue = 100;

// A side of a change is JSON, or a string that holds JSON text; nothing, null or an empty string
// where the value was not there.
bool there(const View& side) { return side.present() && !side.is(""); }

std::string side_text(const View& side) {
  return side.is_string() ? side.text(kWidestValue) : side.json(kWidestValue);
}

std::string change_line(const View& change, bool colour) {
  const auto path = change["path"].text();
  const auto before = change["before"];
  const auto after = change["after"];
  const bool restart = change["reloadable"].is_false();
  std::string line;
  if (!there(before))
    line = toned(fmt::format("+ {}: {}", path, side_text(after)), Tone::kGood, colour);
  else if (!there(after))
    line = toned(fmt::format("- {}: {}", path, side_text(before)), Tone::kBad, colour);
  else
    line = toned(fmt::format("~ {}: {} -> {}", path, side_text(before), side_text(after)),
                 Tone::kWarning, colour);
  return line + (restart ? toned(" (needs a restart)", Tone::kBad, colour) : "") + "\n";
}

Tone tone_of_level(const View& level) {
  if (level.is("error") || level.is("critical")) return Tone::kBad;
  if (level.is("warning") || level.is("warn")) return Tone::kWarning;
  return Tone::kPlain;
}

// Pads to columns, not bytes; longer texts push what follows to the right.
std::string wide(std::string text, std::size_t width) {
  const auto used = columns(text);
  return used < width ? std::move(text.append(width - used, ' ')) : std::move(text);
}

}  // namespace

Result<std::string> show_changes(const View& answer, const Look& look) {
  const auto changes = list_of(answer, "changes");
  if (!changes) return forward_error(changes);
  if (changes->empty()) return std::string("no difference\n");
  std::string out;
  for (const auto& change : *changes) out += change_line(change, look.colour);
  return out;
}

namespace {

struct Count {
  std::string_view kind;
  std::size_t added = 0;
  std::size_t removed = 0;
  std::size_t changed = 0;
};

// "pools/llama/backends/gpu-2/weight" is a change of a backend; what is none of these is a setting.
Count& count_of(std::vector<Count>& counts, const std::string& path) {
  const auto slash = path.find('/');
  const auto second = slash == path.npos ? path.npos : path.find('/', slash + 1);
  std::string_view kind = "setting";
  if (path.starts_with("services/")) kind = "service";
  if (path.starts_with("ports/")) kind = "port";
  if (path.starts_with("pools/"))
    kind =
        second != path.npos && path.substr(second).starts_with("/backends/") ? "backend" : "pool";
  for (auto& count : counts)
    if (count.kind == kind) return count;
  return counts.emplace_back(Count{kind});
}

// "2 backends added, 1 service changed"
std::string summary(const std::vector<View>& changes) {
  std::vector<Count> counts;
  std::vector<std::string> seen;  // things of which a part has been counted as changed
  for (const auto& change : changes) {
    const auto path = change["path"].text();
    auto& count = count_of(counts, path);
    if (!there(change["before"])) {
      ++count.added;
    } else if (!there(change["after"])) {
      ++count.removed;
    } else {
      const auto thing = count.kind == "setting" ? path : path.substr(0, path.rfind('/'));
      if (std::ranges::find(seen, thing) != seen.end()) continue;
      seen.push_back(thing);
      ++count.changed;
    }
  }
  std::string text;
  const auto add = [&](std::size_t n, const Count& count, std::string_view verb) {
    if (n != 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", plural(n, count.kind), verb);
  };
  for (const auto& count : counts) {
    add(count.added, count, "added");
    add(count.removed, count, "removed");
    add(count.changed, count, "changed");
  }
  return text + "\n";
}

// What becomes of flows that are there; empty where none is concerned or nothing is said of them.
std::string flows_line(const View& flows, std::string_view would) {
  const auto move = flows["move"].whole().value_or(0);
  const auto kept = flows["kept"].whole().value_or(0);
  if (move == 0 && kept == 0) return {};
  return fmt::format(
      "flows: {} {}move with backends that leave, about {} stay though their slots "
      "move\n",
      move, would, kept);
}

}  // namespace

Result<std::string> show_foreseen(const View& answer, const Look& look) {
  const auto changes = list_of(answer, "changes");
  if (!changes) return forward_error(changes);
  if (changes->empty()) return std::string("no difference\n");
  std::string out = *show_changes(answer, look) + summary(*changes);
  const auto moved = answer["moved"];
  const auto slots = moved["slots"].whole();
  const auto of = moved["of"].whole();
  if (slots && of && *of != 0)
    out += fmt::format("{} of {} slots would move ({}), least possible {}\n", *slots, *of,
                       share_text(static_cast<double>(*slots) / static_cast<double>(*of)),
                       moved["least"].text(20));
  else if (slots)
    out += "no slots would move\n";
  out += flows_line(answer["flows"], "would ");
  const auto restart = answer["restart"].items();
  if (!restart || restart->empty()) return out;
  std::string paths;
  for (const auto& path : *restart) paths += (paths.empty() ? "" : ", ") + path.text(200);
  return out + toned("refused without a restart: " + paths, Tone::kBad, look.colour) + "\n";
}

Result<std::string> show_outcome(const View& answer, const Look& look) {
  const auto generation = answer["generation"].whole();
  if (!generation)
    return fail(Errc::kIo, "",
                "the daemon's answer has no generation; see what it did with `sluicectl status`");
  const auto moved = answer["moved"];
  const auto slots = moved["slots"].whole();
  const auto least = moved["least"].whole();
  const auto of = moved["of"].whole();
  const auto changes = answer["changes"].items();
  if (changes && changes->empty() && slots.value_or(0) == 0)
    return fmt::format("generation {}: nothing changed\n", *generation);
  if (!slots || !least || !of || *of == 0) return fmt::format("generation {}\n", *generation);
  const auto line = fmt::format(
      "generation {}: {} of {} slots moved ({}), least possible {}\n", *generation, *slots, *of,
      share_text(static_cast<double>(*slots) / static_cast<double>(*of)), *least);
  return toned(line.substr(0, line.size() - 1), *slots > *least ? Tone::kPlain : Tone::kGood,
               look.colour) +
         "\n" + flows_line(answer["flows"], "");
}

namespace {

std::string shard_text(const View& shard) {
  if (shard["source"].present()) return "sources of " + shard["source"].text(64);
  const auto range = shard["hash_range"].items();
  if (range && range->size() == 2)
    return fmt::format("hashes from {} to {}", (*range)[0].text(16), (*range)[1].text(16));
  return "none";
}

// What a worker remembers: of the flow, of its source, or of its NAT session.
std::string entry_text(const View& entry) {
  return fmt::format("{}/{}, {}, idle for {} s", entry["pool"].text(), entry["backend"].text(),
                     entry["state"].text(16), entry["idle_s"].text(8));
}

std::string cached_text(const View& worker) {
  if (!worker["cached"].is_true()) return "does not know the flow";
  return "knows it: " + entry_text(worker);
}

void add_known(Listing& out, const View& worker) {
  out.add(fmt::format("worker {}", worker["worker"].text(8)), cached_text(worker));
  if (const auto source = worker["source"]; source.present())
    out.add("  source", entry_text(source));
  if (const auto session = worker["session"]; session.present())
    out.add("  session", fmt::format("{}, as {} port {}", entry_text(session),
                                     session["local"].text(48), session["local_port"].text(8)));
}

}  // namespace

Result<std::string> show_trace(const View& answer, const Look& look, const Flow& flow) {
  if (!answer["verdict"].is_string())
    return fail(Errc::kIo, "",
                "the daemon's answer has no verdict; is it sluiced that listens there?");
  Listing out;
  const bool forward = answer["verdict"].is("forward");
  out.add("flow", flow.text(), Tone::kStrong);
  if (answer["service"].present()) out.add("service", answer["service"].text());
  if (answer["shard"].present()) out.add("shard", shard_text(answer["shard"]));
  if (answer["pool"].present())
    out.add("pool",
            fmt::format("{} ({}, {}, {})", answer["pool"].text(), answer["forwarding"].text(),
                        answer["policy"].text(), answer["affinity"].text()));
  if (answer["slot"].present())
    out.add("slot", fmt::format("{} of {}, by hash {}", answer["slot"].text(),
                                answer["table_size"].text(), answer["hash"].text()));
  if (answer["backend"].present())
    out.add("backend",
            fmt::format("{} (number {}), {}", answer["backend"].text(), answer["number"].text(),
                        answer["state"].text()),
            tone_of_state(answer["state"]));
  if (answer["next_hop"].present()) {
    const auto hop = answer["next_hop"];
    out.add("next hop", next_hop_text(hop), hop["resolved"].is_true() ? Tone::kPlain : Tone::kBad);
  }
  if (const auto workers = answer["workers"].items())
    for (const auto& worker : *workers) add_known(out, worker);
  out.add("verdict", answer["verdict"].text(), forward ? Tone::kGood : Tone::kWarning);
  out.add("why", answer["why"].text(500));
  out.add("generation", answer["generation"].text());
  return out.text(look.colour);
}

std::string show_event(const View& event, const Look& look) {
  return fmt::format(
      "{:>6}  {}  {}  {}  {}  {}\n", event["id"].text(20), event["at"].text(40),
      toned(wide(event["level"].text(16), 7), tone_of_level(event["level"]), look.colour),
      wide(event["component"].text(32), 9), wide(event["event"].text(48), 16),
      event["text"].text(1000));
}

}  // namespace sluice::client
