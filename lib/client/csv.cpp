// SPDX-License-Identifier: Apache-2.0
#include "client/csv.hpp"

#include "client/show.hpp"
#include "client/text.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <span>

namespace sluice::client {
namespace {

constexpr std::size_t kWidest = 4000;

// Where a column's value is: members of the item, outermost first, with '.' between; "^" in front:
// of the object that holds the list. The title is the path with '_' for '.'.
struct Columns {
  Command command;
  std::string_view list;   ///< Member of the answer.
  std::string_view inner;  ///< Member of each of its items, whose items are the lines; or empty.
  std::string_view paths;  ///< With spaces between.
};

constexpr std::array kLists{
    Columns{Command::kServices, "services", "",
            "name address port protocol pool forwarding backends_up backends_total packets bytes "
            "new_flows"},
    Columns{Command::kPools, "pools", "",
            "name forwarding policy affinity table_size max_load_ratio overflow slow_start_s "
            "backends"},
    Columns{Command::kBackends, "backends", "",
            "pool name address number state operator origin weight weight_now configured_weight "
            "slots slots_share weight_share packets bytes new_flows active_flows next_hop.resolved "
            "next_hop.mac next_hop.port next_hop.source next_hop.problem"},
    Columns{Command::kWorkers, "workers", "",
            "id lcore polls empty_polls packets packets_per_burst busy_ratio cycles_per_packet "
            "flow_cache.capacity flow_cache.flows flow_cache.hits flow_cache.misses "
            "flow_cache.inserts flow_cache.expired flow_cache.evictions_new "
            "flow_cache.evictions_closing flow_cache.evictions_established nat.capacity "
            "nat.sessions"},
    Columns{Command::kFlows, "flows", "", "worker pool backend number state idle_s tag"},
    Columns{Command::kDrops, "drops", "", "reason packets remedy"},
    Columns{Command::kEvents, "events", "", "id at level component event text"},
    Columns{Command::kHealth, "pools", "backends",
            "^name name state since_s operator checked takes_new_flows keeps_flows active_flows "
            "last.ok last.fault last.took_ms last.detail good_in_a_row failed_in_a_row probes.good "
            "probes.failed ejections ejected_for_s flaps hold_s remedy"},
    Columns{Command::kScaleShow, "pools", "",
            "name standing mode policy min max decision.desired decision.cause decision.reason "
            "decision.demand_per_s decision.backlog decision.forecast_per_s decision.saturation "
            "decision.cost_per_hour"},
    Columns{Command::kConfigDiff, "changes", "", "path before after reloadable"},
    Columns{Command::kDoctor, "findings", "", "check level what remedy"},
};

const Columns* columns_of(Command command) {
  for (const auto& one : kLists)
    if (one.command == command) return &one;
  return nullptr;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(at), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string text_of(const View& value) {
  if (const auto list = value.items()) {
    std::string text;
    for (const auto& element : *list) text += (text.empty() ? "" : " ") + element.text(kWidest);
    return text;
  }
  return value.present() ? value.text(kWidest) : std::string();
}

std::string line_of(const std::vector<std::string_view>& paths, const View& holder,
                    const View& item) {
  std::string line;
  for (const auto path : paths) {
    const bool outer = path.front() == '^';
    View value = outer ? holder : item;
    for (const auto step : split(path.substr(outer ? 1 : 0), '.')) value = value[step];
    line += csv_field(text_of(value)) + ",";
  }
  line.pop_back();
  return line + "\r\n";
}

std::string text_of(const nlohmann::ordered_json& value) {
  if (value.is_string()) return printable(value.get_ref<const std::string&>());
  if (!value.is_object()) return value.dump();
  std::string text;
  for (const auto& [name, inner] : value.items())
    text += (text.empty() ? "" : " ") + printable(name) + "=" + text_of(inner);
  return text;
}

// `plan` makes its rows itself, from what it found.
bool makes_rows(Command command) noexcept { return command == Command::kPlan; }

}  // namespace

bool has_csv(Command command) noexcept {
  return columns_of(command) != nullptr || makes_rows(command);
}

std::vector<std::string_view> csv_titles(Command command) {
  const auto* columns = columns_of(command);
  return columns == nullptr ? std::vector<std::string_view>() : split(columns->paths, ' ');
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of("\",\r\n") == text.npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string csv_title_line(Command command) {
  std::string line;
  for (const auto path : csv_titles(command)) {
    std::string title(path);
    if (title.front() == '^') title.replace(0, 1, "pool_");
    for (auto& c : title)
      if (c == '.') c = '_';
    line += (line.empty() ? "" : ",") + title;
  }
  return line + "\r\n";
}

Result<std::string> csv_lines(Command command, const View& answer) {
  const auto* columns = columns_of(command);
  if (columns == nullptr) return fail(Errc::kInvalid, "--csv", "is for lists; try --json");
  const auto paths = split(columns->paths, ' ');
  const auto items = list_of(answer, columns->list);
  if (!items) return forward_error(items);
  std::string out;
  for (const auto& item : *items) {
    if (columns->inner.empty()) {
      out += line_of(paths, item, item);
      continue;
    }
    const auto inner = list_of(item, columns->inner);
    if (!inner) return forward_error(inner);
    for (const auto& one : *inner) out += line_of(paths, item, one);
  }
  return out;
}

std::string csv_of_rows(const nlohmann::ordered_json& rows) {
  if (rows.empty()) return {};
  std::string out;
  const auto& first = rows.front();
  for (const auto& [title, value] : first.items())
    out += (out.empty() ? "" : ",") + csv_field(printable(title));
  out += "\r\n";
  for (const auto& row : rows) {
    std::string line;
    for (const auto& [title, value] : first.items()) {
      const auto found = row.find(title);
      line += csv_field(found == row.end() ? "" : text_of(*found)) + ",";
    }
    line.back() = '\r';
    out += line + "\n";
  }
  return out;
}

Result<std::string> csv_of(Command command, const View& answer) {
  auto lines = csv_lines(command, answer);
  if (!lines) return lines;
  return csv_title_line(command) + *lines;
}

}  // namespace sluice::client
