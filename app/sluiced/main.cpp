// SPDX-License-Identifier: Apache-2.0
// sluiced: the daemon, and the offline tools that share its code.
#include "base/nearest.hpp"
#include "commands.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

namespace {

using sluice::control::ReplayCommand;

constexpr int kUsage = 2;

// CLI11 says only that a sub-command is required; say which one was meant.
int usage_error(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
  fmt::print(stderr, "sluiced: {}", error.what());
  if (argc > 1 && app.get_subcommands().empty()) {
    std::vector<std::string_view> names;
    for (const auto* command : app.get_subcommands({})) names.push_back(command->get_name());
    fmt::print(stderr, "{}", sluice::did_you_mean(argv[1], names));
  }
  fmt::print(stderr, "\nTry `sluiced --help`.\n");
  return kUsage;
}

// Better one line than SIGILL: the build may be for a newer CPU than this one.
bool cpu_has_isa() {
#if defined(__AVX512VL__)
  return __builtin_cpu_supports("avx512vl") != 0;
#elif defined(__AVX2__)
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi2") != 0;
#else
  return __builtin_cpu_supports("sse4.2") != 0;
#endif
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("Sluice, a load balancer for inference traffic: the daemon", "sluiced");
  app.set_version_flag("--version",
                       std::string("sluiced ") + SLUICE_VERSION + " (" + SLUICE_ISA + ")");
  app.require_subcommand(1);
  std::string config;
  ReplayCommand replay;
  const auto with_config = [&](CLI::App* command) {
    command->add_option("--config", config, "Configuration file (JSON, comments allowed)")
        ->required()
        ->type_name("FILE");
    return command;
  };

  auto* run = with_config(
      app.add_subcommand("run", "Run until SIGTERM; SIGHUP reads the configuration again"));
  auto* check =
      with_config(app.add_subcommand("check", "Check a configuration; needs no privileges"));
  auto* replayer = with_config(app.add_subcommand(
      "replay", "Push a capture through the stages of `run`; needs no privileges"));
  replayer->add_option("--in", replay.in, "Capture to read: pcap or pcapng, Ethernet")
      ->required()
      ->type_name("FILE");
  replayer->add_option("--out", replay.out, "Capture to write: what would be sent")
      ->required()
      ->type_name("FILE");
  replayer->add_option("--verdicts", replay.verdicts, "JSON lines to write: one object a packet")
      ->type_name("FILE");
  replayer
      ->add_option("--time-scale", replay.time_scale,
                   "Seconds of flow time for one second of the capture")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  auto* schema = app.add_subcommand("schema", "Print the JSON Schema of the configuration");
  auto* openapi = app.add_subcommand("openapi", "Print the admin API as an OpenAPI 3.1 document");
  auto* reference =
      app.add_subcommand("reference", "Print the reference of the configuration (Markdown)");
  auto* version = app.add_subcommand("version", "Print version, instruction set and libraries");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error, argc, argv);
  }
  if (run->parsed()) return sluice::app::run(config);
  if (check->parsed()) return sluice::app::check(config);
  if (replayer->parsed()) return sluice::app::replay(config, replay);
  if (schema->parsed()) return sluice::app::schema();
  if (openapi->parsed()) return sluice::app::openapi();
  if (reference->parsed()) return sluice::app::reference();
  if (version->parsed()) return sluice::app::version();
  return kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  if (!cpu_has_isa()) {
    std::fputs("sluiced: this CPU lacks instructions of " SLUICE_ISA
               ", for which this program was built; build it with -Disa=x86-64-v2\n",
               stderr);
    return 1;
  }
  try {
    return parse_and_run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "sluiced: {}\n", error.what());
    return 1;
  }
}
