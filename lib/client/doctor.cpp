// SPDX-License-Identifier: Apache-2.0
#include "client/doctor.hpp"

#include "client/answer.hpp"
#include "client/csv.hpp"
#include "client/table.hpp"
#include "client/text.hpp"
#include "config/decode.hpp"
#include "doctor/checks.hpp"
#include "doctor/live.hpp"

#include <sys/timex.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

namespace sluice::client {
namespace {

using doctor::Finding;
using doctor::Findings;
using doctor::Level;
using nlohmann::json;

constexpr std::string_view kUsualFile = "/etc/sluice/sluice.json";

std::string_view word(Level level) {
  switch (level) {
    case Level::kOk:
      return "ok";
    case Level::kWarn:
      return "warn";
    case Level::kFail:
      return "fail";
  }
  return "?";
}

std::string_view label(Level level) {
  return level == Level::kOk ? "OK" : level == Level::kWarn ? "WARN" : "FAIL";
}

Tone tone(Level level) {
  return level == Level::kOk ? Tone::kGood : level == Level::kWarn ? Tone::kWarning : Tone::kBad;
}

std::size_t count(const std::vector<Finding>& findings, Level level) {
  return static_cast<std::size_t>(std::ranges::count(findings, level, &Finding::level));
}

std::optional<bool> clock_is_synchronised() {
  timex about{};
  const int state = ::adjtimex(&about);
  if (state < 0) return std::nullopt;
  return state != TIME_ERROR && (about.status & STA_UNSYNC) == 0;
}

class Examination {
 public:
  Examination(Http& http, const CommandLine& line, const Environment& environment)
      : http_(http), line_(line), environment_(environment) {}

  Findings run() {
    const auto status = ask("/api/v1/status", /*told=*/true);
    const auto health = status ? ask("/api/v1/health", false) : std::nullopt;
    load(status);
    const doctor::Machine machine(environment_.root, environment_.link);
    const auto process = status ? View(*status)["pid"].whole() : std::nullopt;
    const doctor::Patient patient{
        .machine = machine,
        .configuration = configuration_ ? &*configuration_ : nullptr,
        .daemon = process ? std::optional(static_cast<unsigned>(*process)) : std::nullopt,
        .clock_is_synchronised = environment_.root == "/" ? clock_is_synchronised() : std::nullopt};
    doctor::examine(patient, findings_);
    const json nothing;
    if (status) judge_daemon(View(*status), View(health ? *health : nothing), findings_);
    if (configuration_ && !line_.no_probes) doctor::examine_backends(*configuration_, findings_);
    return std::move(findings_);
  }

 private:
  std::optional<json> ask(const std::string& target, bool told) {
    const auto answer = http_.send({target, std::nullopt});
    if (answer && answer->status == 200)
      if (auto value = parse_answer(answer->body)) return std::move(*value);
    if (told)
      findings_.warn(
          "daemon",
          answer ? "it gives no answer that makes sense" : printable(answer.error().message),
          "systemctl start sluiced");
    return std::nullopt;
  }

  // The file that is named, else what the daemon runs, else the usual file.
  void load(const std::optional<json>& status) {
    if (!line_.file.empty()) return load_file(line_.file, /*must=*/true);
    if (status) {
      const auto running = http_.send({"/api/v1/config", std::nullopt});
      if (running && running->status == 200) {
        take("the daemon's", config::decode(running->body));
        if (configuration_) return;
      }
      const auto file = View(*status)["configuration"]["file"];
      if (file.is_string()) return load_file(file.text(), true);
    }
    load_file(std::string(kUsualFile), false);
  }

  void load_file(const std::string& file, bool must) {
    auto decoded = config::load(file);
    if (decoded) return take(printable(file), std::move(*decoded));
    if (must)
      findings_.fail("configuration", printable(decoded.error().text()),
                     "sluicectl doctor --config FILE");
    else
      findings_.warn("configuration", "there is no " + file + ": ports and backends are not known",
                     "sluicectl doctor --config FILE");
  }

  void take(const std::string& whose, config::Decoded decoded) {
    if (!decoded.faults.empty()) {
      findings_.fail(
          "configuration",
          fmt::format("{}: {}, the first: {}", whose, plural(decoded.faults.size(), "fault"),
                      printable(decoded.faults.front().text())),
          fmt::format("sluiced check --config {}", whose));
      return;
    }
    findings_.ok("configuration", whose);
    configuration_ = std::move(decoded.configuration);
  }

  Http& http_;
  const CommandLine& line_;
  const Environment& environment_;
  Findings findings_;
  std::optional<config::Configuration> configuration_;
};

void judge_backend(const View& pool, const View& backend, Findings& findings) {
  const auto name = pool["name"].text() + "/" + backend["name"].text();
  const auto words = pool["name"].text() + " " + backend["name"].text();
  if (backend["operator"].is("drain") || backend["operator"].is("maintenance"))
    findings.warn("backend " + name, "the operator took it out: it gets no new flows",
                  "sluicectl backend undrain " + words);
  const auto remedy = backend["remedy"];
  if (remedy.is_string() && !remedy.is("") && !backend["state"].is("up"))
    findings.warn("health " + name, "the daemon says: " + backend["state"].text(),
                  remedy.text(500));
}

}  // namespace

void judge_daemon(const View& status, const View& health, Findings& findings) {
  const auto file = status["configuration"]["file"].text();
  if (status["ready"].is_true())
    findings.ok("daemon", fmt::format("version {}, ready", status["version"].text(60)));
  else
    findings.fail("daemon", "not ready: " + status["not_ready_because"].text(), "sluicectl status");
  const auto reload = status["configuration"]["last_reload"];
  if (reload["ok"].is_false()) {
    const auto faults = reload["faults"].items();
    findings.fail("reload",
                  "the last one was refused: " +
                      (faults && !faults->empty() ? faults->front().text() : std::string("?")),
                  fmt::format("sluiced check --config {}", file));
  }
  if (status["state"]["writable"].is_false())
    findings.fail("state", "cannot be saved: " + status["state"]["problem"].text(),
                  fmt::format("mkdir -p {0} && df {0}", status["state"]["directory"].text()));
  if (status["books"]["balanced"].is_false() && status["books"]["in_flight"].whole() == 0U)
    findings.warn("books", "do not balance: packets are lost without a reason",
                  "sluicectl drops --all");
  if (const auto pools = health["pools"].items())
    for (const auto& pool : *pools)
      if (const auto backends = pool["backends"].items())
        for (const auto& backend : *backends) judge_backend(pool, backend, findings);
}

std::string show_findings(const std::vector<Finding>& findings, bool colour) {
  std::size_t width = 0;
  for (const auto& finding : findings) width = std::max(width, columns(finding.check));
  std::string out;
  for (const auto& finding : findings) {
    const auto name = printable(finding.check);
    const std::string room(width > columns(name) ? width - columns(name) : 0, ' ');
    out += toned(fmt::format("{:4}", label(finding.level)), tone(finding.level), colour) + "  " +
           name + room + "  " + printable(finding.what) + "\n";
    if (!finding.remedy.empty())
      out += std::string(6, ' ') + toned("mend: ", Tone::kFaint, colour) +
             printable(finding.remedy) + "\n";
  }
  return out + fmt::format("{} ok, {}, {}\n", count(findings, Level::kOk),
                           plural(count(findings, Level::kWarn), "warning"),
                           plural(count(findings, Level::kFail), "fault"));
}

std::string findings_json(const std::vector<Finding>& findings) {
  json list = json::array();
  for (const auto& finding : findings)
    list.push_back({{"check", printable(finding.check)},
                    {"level", word(finding.level)},
                    {"what", printable(finding.what)},
                    {"remedy", printable(finding.remedy)}});
  return json{{"ok", count(findings, Level::kFail) == 0}, {"findings", std::move(list)}}.dump(2) +
         "\n";
}

Result<void> examine_node(Http& http, const CommandLine& line, const Environment& environment,
                          Output& output) {
  const auto findings = Examination(http, line, environment).run().list();
  if (line.csv) {
    const auto answer = json::parse(findings_json(findings));
    output.print(*csv_of(Command::kDoctor, View(answer)));
  } else {
    output.print(line.json ? findings_json(findings) : show_findings(findings, environment.colour));
  }
  const auto faults = count(findings, Level::kFail);
  if (faults == 0) return {};
  return fail(Errc::kIo, "", "{} found", plural(faults, "fault"));
}

}  // namespace sluice::client
