// SPDX-License-Identifier: Apache-2.0
#include "client/command_tree.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace sluice::client {
namespace {

// `description` of a group of commands that does nothing by itself.
CLI::App* group(CLI::App& parent, const std::string& name, const std::string& description) {
  auto* app = parent.add_subcommand(name, description);
  app->require_subcommand(1);
  return app;
}

CLI::App* command(CLI::App& parent, Typed& typed, Command what, const std::string& name,
                  const std::string& description) {
  auto* app = parent.add_subcommand(name, description);
  app->callback([&typed, what] { typed.line.command = what; });
  return app;
}

CLI::App* backend_command(CLI::App& parent, Typed& typed, Command what, const std::string& name,
                          const std::string& description) {
  auto* app = command(parent, typed, what, name, description);
  app->add_option("POOL", typed.line.pool, "pool of the backend")->required();
  app->add_option("NAME", typed.line.name, "name of the backend")->required();
  return app;
}

void add_reading(CLI::App& app, Typed& typed) {
  command(app, typed, Command::kStatus, "status",
          "the node at a glance: ready, generation, books, ports");
  command(app, typed, Command::kServices, "services", "services with their backends and traffic");
  command(app, typed, Command::kPools, "pools", "pools and how they spread flows");
  command(app, typed, Command::kBackends, "backends",
          "backends: state, share of the flows, next hop")
      ->add_option("--pool", typed.line.pool, "of this pool only");
  command(app, typed, Command::kWorkers, "workers", "workers: load and flow cache");
  auto* flows = command(app, typed, Command::kFlows, "flows",
                        "a sample of the flows that the workers remember, with their backends");
  flows->add_option("--pool", typed.line.pool, "of this pool only");
  flows->add_option("--backend", typed.line.of_backend, "of backends with this name only");
  flows->add_option("--limit", typed.limit, "at most so many, 100 when not given, at most 10000");
  command(app, typed, Command::kHealth, "health",
          "backends: what their checks found, and since when")
      ->add_option("--pool", typed.line.pool, "of this pool only");
  command(app, typed, Command::kDrops, "drops", "dropped packets by reason, and what to do")
      ->add_flag("--all", typed.line.all, "reasons without packets too");
  auto* events = command(app, typed, Command::kEvents, "events", "what happened on the node");
  events->add_flag("--follow,-f", typed.line.follow, "go on until interrupted");
  events->add_option("--since", typed.since, "from the event with this number on");
  auto* trace = command(app, typed, Command::kTrace, "trace",
                        "which backend a new flow gets, and why\n\nexample: sluicectl trace tcp "
                        "198.51.100.7:40000 203.0.113.10:443");
  trace
      ->add_option("PROTOCOL", typed.flow[0],
                   "tcp or udp; or all in one: PROTOCOL:SOURCE-DESTINATION")
      ->required();
  trace->add_option("SOURCE", typed.flow[1], "ADDRESS:PORT, IPv6 as [ADDRESS]:PORT");
  trace->add_option("DESTINATION", typed.flow[2], "ADDRESS:PORT of the service");
}

void add_watching(CLI::App& app, Typed& typed) {
  auto* doctor = command(app, typed, Command::kDoctor, "doctor",
                         "what is wrong with this node, and how to mend it; needs no daemon");
  doctor->add_option("--config", typed.line.file,
                     "the configuration; else the daemon's, else /etc/sluice/sluice.json");
  doctor->add_flag("--no-probes", typed.line.no_probes,
                   "look at this machine only: send nothing to backends");
  auto* top = command(app, typed, Command::kTop, "top",
                      "live view of services, backends and workers; q quits, ? helps");
  top->add_flag("--once", typed.line.once, "print the first screen and end");
  top->add_option("--view", typed.line.view, "backends (else), services or workers");
  top->add_option("--sort", typed.line.sort, "by this column, largest first; -COLUMN: smallest");
  top->add_option("--filter", typed.line.filter, "only lines with this text");
  top->add_option("--seconds", typed.seconds, "between looks, 1 when not given, at most 60");
}

void add_capture(CLI::App& app, Typed& typed) {
  auto* capture = command(app, typed, Command::kCapture, "capture",
                          "write packets before and after the rewrite to a pcapng file, each with "
                          "its verdict as comment, until Ctrl-C");
  capture->add_option("--service", typed.line.service, "of this service only");
  capture->add_option("--backend", typed.line.of_backend,
                      "of this backend only, as POOL/NAME: what went to it");
  capture
      ->add_option("--verdict", typed.line.verdicts,
                   "with this verdict only: forward, host, an answer or the reason of a drop; may "
                   "be repeated")
      ->allow_extra_args(false);
  capture->add_option("--sample", typed.sample,
                      "look at one packet in so many, 1 when not given, at most 65535");
  capture->add_option("--snap", typed.snap,
                      "bytes of each packet, 256 when not given, at most 9216");
  capture->add_option("--count", typed.count, "end after so many packets");
  capture->add_option("--seconds", typed.seconds, "end after so many seconds");
  capture->add_option("--out", typed.line.file, "the file; one that is there is replaced")
      ->required();
}

void add_changing(CLI::App& app, Typed& typed) {
  auto* config = group(app, "config", "the running configuration");
  command(*config, typed, Command::kConfigShow, "show",
          "print it as JSON, the operator's changes included");
  command(*config, typed, Command::kConfigDiff, "diff", "what `config apply FILE` would change")
      ->add_option("FILE", typed.line.file, "a configuration")
      ->required();
  auto* apply = command(
      *config, typed, Command::kConfigApply, "apply",
      "run this configuration until the next reload or restart; drops the operator's changes");
  apply->add_option("FILE", typed.line.file, "a configuration")->required();
  apply->add_flag("--dry-run", typed.line.dry_run, "tell what it would change and move, no more");

  auto* backend = group(app, "backend", "add, remove, drain or weigh a backend");
  auto* add =
      backend_command(*backend, typed, Command::kBackendAdd, "add", "add a backend to a pool");
  add->add_option("ADDRESS", typed.line.address, "its IP address")->required();
  add->add_option("--weight", typed.weight, "its relative share, 100 when not given");
  add->add_option("--class", typed.line.backend_class, "its class, one of the pool's");
  add->add_option("--port", typed.port,
                  "where its server listens, the service's port when not given; of pools with nat");
  add->add_option("--max-connections", typed.max_connections,
                  "flows beyond which it gets no new ones, any number when not given");
  add->add_option("--server-id", typed.line.server_id,
                  "its id in QUIC connection ids, hexadecimal; of pools with affinity quic_cid");
  backend_command(*backend, typed, Command::kBackendRemove, "remove",
                  "remove a backend; its flows move");
  auto* drain = backend_command(*backend, typed, Command::kBackendDrain, "drain",
                                "give a backend no new flows; those it has stay");
  drain->add_flag("--wait", typed.line.wait, "end when it has no flows any more");
  drain->add_option("--seconds", typed.seconds, "of --wait: fail when it takes longer");
  backend_command(*backend, typed, Command::kBackendMaintenance, "maintenance",
                  "give a backend no flows at all; those it has move");
  backend_command(*backend, typed, Command::kBackendUndrain, "undrain",
                  "end drain and maintenance: give it new flows again");
  backend_command(*backend, typed, Command::kBackendWeight, "weight", "set its relative share")
      ->add_option("N", typed.weight, "0: no new flows")
      ->required();
  command(app, typed, Command::kReload, "reload",
          "read the configuration file again, as SIGHUP does");
}

void add_scaling(CLI::App& app, Typed& typed) {
  auto* scale = group(app, "scale", "the autoscaler: how pools stand and why, and a hand in it");
  command(*scale, typed, Command::kScaleShow, "show",
          "pools that are scaled: load, forecast, backends, cost, and the reason")
      ->add_option("POOL", typed.line.pool, "this pool only, with its latest decisions");
  auto* history = command(*scale, typed, Command::kScaleHistory, "history",
                          "what load a pool has seen: a table, or a trace for `plan`");
  history->add_option("POOL", typed.line.pool, "the pool")->required();
  history->add_option("--last", typed.lasts,
                      "so much of the end, as 6h or 14d; a day when not given, with --out all");
  history->add_option("--step", typed.step,
                      "seconds of a mean: 60, of 14 days, when not given, or 1, of one day");
  history->add_option(
      "--out", typed.line.file,
      "write a trace to this file, for `plan --trace`; one that is there is replaced");
  const auto of_pool = [&](Command what, const std::string& name, const std::string& about) {
    auto* made = command(*scale, typed, what, name, about);
    made->add_option("POOL", typed.line.pool, "the pool")->required();
    return made;
  };
  auto* set = of_pool(Command::kScaleSet, "set",
                      "have so many backends, whatever the policies say, within min and max");
  set->add_option("N", typed.backends, "backends, of all classes together")->required();
  set->add_option("--for", typed.lasts,
                  "until then, as 90s, 30m, 2h or 1d; until `scale auto` when not given");
  of_pool(Command::kScaleAuto, "auto", "let the policies decide again");
  of_pool(Command::kScalePause, "pause", "keep the pool's size as it is");
  of_pool(Command::kScaleResume, "resume", "end a pause");
}

void add_planning(CLI::App& app, Typed& typed) {
  add_plan_options(
      *command(app, typed, Command::kPlan, "plan",
               "capacity planning: a recorded load against a simulated pool; needs no daemon"),
      typed.plan);
}

void add_completion(CLI::App& app, Typed& typed) {
  auto* completion =
      group(app, "completion", "completion of commands, options and names for a shell");
  command(*completion, typed, Command::kCompletion, "bash",
          "print it; for this shell: source <(sluicectl completion bash)");
  // What the shell's function asks with each Tab: no command for people.
  command(app, typed, Command::kComplete, "complete", "")
      ->group("")
      ->add_option("WORD", typed.line.words, "")
      ->allow_extra_args();
}

}  // namespace

void add_commands(CLI::App& app, Typed& typed) {
  app.require_subcommand(1);
  app.fallthrough();  // inherited by every command: --json may stand behind it
  app.get_formatter()->column_width(34);
  app.add_option(
      "--socket", typed.line.socket,
      "Unix socket of the daemon (" + typed.line.socket + "; SLUICE_SOCKET sets another default)");
  app.add_flag("--json", typed.line.json, "print the daemon's answer as JSON");
  app.add_flag("--csv", typed.line.csv, "print a list as CSV; columns are only ever added");
  add_reading(app, typed);
  add_watching(app, typed);
  add_capture(app, typed);
  add_changing(app, typed);
  add_scaling(app, typed);
  add_planning(app, typed);
  add_completion(app, typed);
}

}  // namespace sluice::client
