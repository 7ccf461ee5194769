// SPDX-License-Identifier: Apache-2.0
#include "client/command.hpp"

#include "base/file.hpp"
#include "base/nearest.hpp"
#include "client/answer.hpp"
#include "client/capture.hpp"
#include "client/command_line.hpp"
#include "client/completion.hpp"
#include "client/csv.hpp"
#include "client/doctor.hpp"
#include "client/drain.hpp"
#include "client/follow.hpp"
#include "client/history.hpp"
#include "client/http.hpp"
#include "client/output.hpp"
#include "client/plan.hpp"
#include "client/show.hpp"
#include "client/top.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::client {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestConfiguration = 16U << 20U;  // bytes; what the daemon accepts
constexpr std::uint32_t kFlows = 100;     // a screen or two, when nobody says how many
constexpr std::size_t kMostParts = 1000;  // answers to one `events`; a daemon in a storm never ends
constexpr std::string_view kApi = "/api/v1";

// Prints an answer for a human.
using Show = std::function<Result<std::string>(const View&, const Look&)>;

class Session {
 public:
  Session(const CommandLine& line, const Environment& environment, Output& output)
      : line_(line),
        environment_(environment),
        output_(output),
        http_(line.socket, environment.limit) {}

  // @return nothing when done, or what went wrong.
  Result<void> perform() {
    switch (line_.command) {
      case Command::kStatus:
        return get("/status", show_status);
      case Command::kServices:
        return get("/services", show_services);
      case Command::kPools:
        return get("/pools", show_pools);
      case Command::kBackends:
        return get(line_.pool.empty() ? "/backends" : "/backends?pool=" + escaped(line_.pool),
                   show_backends);
      case Command::kWorkers:
        return get("/workers", show_workers);
      case Command::kFlows:
        return get_of_pool(flows_target(), "flows", show_flows);
      case Command::kDrops:
        return get("/drops", [this](const View& answer, const Look& look) {
          return show_drops(answer, look, line_.all);
        });
      case Command::kHealth:
        return get_of_pool(line_.pool.empty() ? "/health" : "/health?pool=" + escaped(line_.pool),
                           "pools", show_health);
      case Command::kEvents:
        return events();
      case Command::kConfigShow:
        return get("/config", nullptr);
      case Command::kConfigDiff:
        return with_file("/config/diff", show_foreseen);
      case Command::kConfigApply:
        return line_.dry_run ? with_file("/config/diff", show_foreseen) : apply();
      case Command::kBackendAdd:
        return add();
      case Command::kBackendRemove:
        return post(backend_path("/remove"), "", show_outcome);
      case Command::kBackendDrain:
        return drain();
      case Command::kBackendUndrain:
        return post(backend_path("/undrain"), "", show_outcome);
      case Command::kBackendMaintenance:
        return post(backend_path("/maintenance"), "", show_outcome);
      case Command::kBackendWeight:
        return post(backend_path("/weight"), json{{"weight", *line_.weight}}.dump(), show_outcome);
      case Command::kTrace:
        return trace();
      case Command::kCapture:
        return capture();
      case Command::kScaleShow:
        return get_of_pool(line_.pool.empty() ? "/scale" : "/scale?pool=" + escaped(line_.pool),
                           "pools", [this](const View& answer, const Look& look) {
                             return show_scale(answer, look, line_.pool);
                           });
      case Command::kScaleSet:
        return scale("set");
      case Command::kScaleAuto:
        return scale("auto");
      case Command::kScalePause:
        return scale("pause");
      case Command::kScaleResume:
        return scale("resume");
      case Command::kScaleHistory:
        return history();
      case Command::kPlan:
        return plan(line_.plan,
                    line_.json  ? PlanForm::kJson
                    : line_.csv ? PlanForm::kCsv
                                : PlanForm::kTable,
                    environment_, output_);
      case Command::kReload:
        return post("/reload", "", show_change_and_outcome);
      case Command::kDoctor:
        return examine_node(http_, line_, environment_, output_);
      case Command::kTop:
        return watch_top(http_, line_, environment_, output_);
      case Command::kCompletion:
        output_.print(bash_completion());
        return {};
      case Command::kComplete:
        output_.print(complete(line_.socket, line_.words));
        return {};
    }
    return {};
  }

 private:
  Result<void> get(const std::string& target, const Show& show) {
    return exchange({std::string(kApi) + target, std::nullopt}, show);
  }

  // Of a pool that there is not the list is empty: better said than shown.
  Result<void> get_of_pool(const std::string& target, std::string_view list, const Show& show) {
    const auto answer = http_.send({std::string(kApi) + target, std::nullopt});
    if (!answer) return forward_error(answer);
    if (const auto value = parse_answer(answer->body); !line_.pool.empty() && value)
      if (const auto items = View(*value)[list].items(); items && items->empty())
        if (auto known = must_know_pool(); !known) return known;
    return tell(*answer, show);
  }

  Result<void> must_know_pool() {
    const auto answer = http_.send({std::string(kApi) + "/pools", std::nullopt});
    if (!answer) return forward_error(answer);
    const auto value = parse_answer(answer->body);
    if (answer->status != 200 || !value) return {};  // an older daemon: the list will do
    const auto pools = View(*value)["pools"].items();
    if (!pools) return {};
    std::vector<std::string> names;
    for (const auto& pool : *pools) names.push_back(pool["name"].text());
    if (std::ranges::find(names, line_.pool) != names.end()) return {};
    const std::vector<std::string_view> views(names.begin(), names.end());
    return fail(Errc::kNotFound, "pool " + printable(line_.pool), "does not exist{}",
                did_you_mean(line_.pool, views));
  }

  Result<void> post(const std::string& target, std::string body, const Show& show) {
    return exchange({std::string(kApi) + target, std::move(body)}, show);
  }

  // Sends, prints the answer (as it is with --json or without `show`). The daemon's refusal is
  // printed too with --json, for programs, and is the error.
  Result<void> exchange(const Request& request, const Show& show) {
    const auto answer = http_.send(request);
    if (!answer) return forward_error(answer);
    return tell(*answer, show);
  }

  Result<void> tell(const Answer& answer, const Show& show) {
    const bool done = answer.status >= 200 && answer.status < 300;
    if (!done) {
      const auto laid_out = line_.json ? lay_out(answer.body) : Result<std::string>("");
      if (laid_out) output_.print(*laid_out);
      return tl::unexpected(refusal(answer));
    }
    const bool in_parts = line_.command == Command::kEvents;
    const auto text = line_.csv && !in_parts ? as_csv(answer.body)
                      : line_.json || !show  ? lay_out(answer.body)
                                             : shown(answer.body, show);
    if (!text) return forward_error(text);
    output_.print(*text);
    return {};
  }

  Result<std::string> as_csv(const std::string& body) const {
    const auto value = parse_answer(body);
    if (!value) return forward_error(value);
    return csv_of(line_.command, View(*value));
  }

  Result<std::string> shown(const std::string& body, const Show& show) const {
    const auto value = parse_answer(body);
    if (!value) return forward_error(value);
    return show(View(*value), look());
  }

  [[nodiscard]] Look look() const { return {environment_.colour, environment_.now()}; }

  [[nodiscard]] std::string backend_path(std::string_view action) const {
    return fmt::format("/backends/{}/{}{}", escaped(line_.pool), escaped(line_.name), action);
  }

  [[nodiscard]] std::string flows_target() const {
    return fmt::format("/flows?limit={}&pool={}&backend={}", line_.limit.value_or(kFlows),
                       escaped(line_.pool), escaped(line_.of_backend));
  }

  static Result<std::string> show_change_and_outcome(const View& answer, const Look& look) {
    const auto outcome = show_outcome(answer, look);
    const auto changes = answer["changes"].items();
    if (!outcome || !changes || changes->empty()) return outcome;
    return *show_changes(answer, look) + *outcome;
  }

  Result<void> drain() {
    if (auto done = post(backend_path("/drain"), "", show_outcome); !done || !line_.wait)
      return done;
    return wait_until_drained(http_, output_,
                              {.pool = line_.pool,
                               .backend = line_.name,
                               .seconds = line_.seconds,
                               .progress = environment_.progress && !line_.json,
                               .second = environment_.second,
                               .interrupt = environment_.interrupt()});
  }

  Result<void> with_file(const std::string& target, const Show& show) {
    auto content = read_file(line_.file, kLongestConfiguration);
    if (!content)
      return tl::unexpected(
          Error{content.error().code, printable(content.error().where), content.error().message});
    return post(target, std::move(*content), show);
  }

  // What it will change is printed before it changes; with --json the daemon's one answer is.
  Result<void> apply() {
    if (!line_.json)
      if (auto compared = with_file("/config/diff", show_changes); !compared) return compared;
    if (environment_.progress) output_.rewrite_line("applying ...");
    auto done = with_file("/config/apply", show_outcome);
    if (environment_.progress) output_.rewrite_line("");
    return done;
  }

  Result<void> add() {
    json body{{"name", line_.name}, {"address", line_.address}};
    if (line_.weight) body["weight"] = *line_.weight;
    if (!line_.backend_class.empty()) body["class"] = line_.backend_class;
    if (line_.port) body["port"] = *line_.port;
    if (line_.max_connections) body["max_connections"] = *line_.max_connections;
    if (!line_.server_id.empty()) body["server_id"] = line_.server_id;
    // Words of a command line need not be UTF-8; JSON must.
    return post("/backends/" + escaped(line_.pool),
                body.dump(-1, ' ', false, json::error_handler_t::replace), show_outcome);
  }

  Result<void> scale(std::string_view action) {
    json body{{"action", action}};
    if (line_.command == Command::kScaleSet) {
      body["count"] = line_.backends;
      if (line_.lasts_s) body["for_s"] = *line_.lasts_s;
    }
    return post("/scale/" + escaped(line_.pool), body.dump(), show_scaled);
  }

  Result<void> history() {
    constexpr std::uint32_t kShown = 86'400;  // a day fits a screen
    auto lasts = line_.lasts_s;
    if (!lasts && line_.file.empty() && !line_.json) lasts = kShown;
    const auto found = fetch_history(http_, line_.pool, line_.step_s, lasts);
    if (!found) return forward_error(found);
    if (line_.file.empty()) {
      output_.print(line_.json ? history_json(*found) : show_history(*found, environment_.colour));
      return {};
    }
    const auto trace = history_trace(*found);
    if (!trace) return forward_error(trace);
    if (auto done = write_file_atomically(line_.file, trace->text); !done) return done;
    output_.print(trace->summary(line_.file));
    return {};
  }

  Result<void> trace() {
    const Flow& flow = *line_.flow;
    const auto target = fmt::format(
        "/trace?protocol={}&source={}&source_port={}&destination={}&destination_port={}",
        flow.protocol, escaped(flow.source.text()), flow.source_port,
        escaped(flow.destination.text()), flow.destination_port);
    return get(target, [&](const View& answer, const Look& look) {
      return show_trace(answer, look, flow);
    });
  }

  Result<void> capture() {
    return capture_packets(http_, output_,
                           {.service = line_.service,
                            .backend = line_.of_backend,
                            .verdicts = line_.verdicts,
                            .sample = line_.sample,
                            .snap = line_.snap,
                            .count = line_.count,
                            .seconds = line_.seconds,
                            .file = line_.file,
                            .application = "sluicectl " + environment_.version,
                            .json = line_.json,
                            .interrupt = environment_.interrupt()});
  }

  Result<void> events() {
    if (line_.follow) {
      Following how{.since = line_.since,
                    .json = line_.json,
                    .colour = environment_.colour,
                    .interrupt = environment_.interrupt()};
      how.first_pause = environment_.first_pause;
      return follow_events(http_, output_, how);
    }
    std::uint64_t next = line_.since.value_or(0);
    bool more = true;
    const auto show = [&](const View& answer, const Look& look) -> Result<std::string> {
      const auto events = list_of(answer, "events");
      if (!events) return forward_error(events);
      std::string out;
      if (line_.csv)
        out = (std::exchange(titled_, true) ? "" : csv_title_line(line_.command)) +
              csv_lines(line_.command, answer).value_or("");
      else
        for (const auto& event : *events) out += show_event(event, look);
      const auto after = answer["next"].whole().value_or(next);
      more = !events->empty() && after > next;
      next = after;
      return out;
    };
    // An answer holds a part of them; with --json whoever reads it asks on from "next".
    for (std::size_t part = 0; part < kMostParts && more; ++part) {
      if (line_.json) more = false;
      const auto asked = get(fmt::format("/events?since={}", next), show);
      if (!asked) return asked;
    }
    return {};
  }

  const CommandLine& line_;
  const Environment& environment_;
  Output& output_;
  Http http_;
  bool titled_ = false;  // of a list in parts: only the first has the titles
};

}  // namespace

int run(std::span<const std::string> arguments, const Environment& environment) {
  Output output(environment.out, environment.err);
  const auto line = parse_command_line(arguments, environment.version, environment.socket);
  int status = 0;
  if (!line) {
    status = line.error().status;
    if (status == 0)
      output.print(line.error().text);
    else
      output.complain(line.error().text);
  } else if (const auto done = Session(*line, environment, output).perform(); !done) {
    output.complain(done.error().text());
    status = exit_status(done.error().code);
  }
  // A reader that went away has what he wanted; a full disk has not.
  if (output.failure() != 0 && output.failure() != EPIPE) {
    output.complain(fmt::format("cannot write the output: {}", std::strerror(output.failure())));
    if (status == 0) status = 1;
  }
  return status;
}

}  // namespace sluice::client
