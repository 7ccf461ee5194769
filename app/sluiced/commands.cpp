// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include "config/decode.hpp"
#include "config/schema.hpp"
#include "control/daemon.hpp"
#include "control/openapi.hpp"
#include "page/page.hpp"

#include <fmt/format.h>
#include <rte_version.h>

#include <bpf/libbpf.h>
#include <cstdio>
#include <optional>

namespace sluice::app {
namespace {

int complain(const Error& error) {
  fmt::print(stderr, "sluiced: {}\n", error.text());
  return exit_status(error.code);
}

/// The configuration, or std::nullopt after its faults were printed, with the exit status.
std::optional<config::Configuration> read_config(const std::string& file, int& status) {
  auto decoded = config::load(file);
  if (!decoded) {
    complain(decoded.error());
    status = 2;
    return std::nullopt;
  }
  for (const auto& fault : decoded->faults) fmt::print(stderr, "{}\n", fault.text());
  if (!decoded->faults.empty()) {
    status = 2;
    return std::nullopt;
  }
  for (const auto& warning : decoded->warnings) fmt::print(stderr, "warning: {}\n", warning.text());
  status = 0;
  return std::move(decoded->configuration);
}

}  // namespace

int check(const std::string& config_file) {
  int status = 0;
  read_config(config_file, status);
  return status;
}

int replay(const std::string& config_file, const control::ReplayCommand& command) {
  int status = 0;
  const auto configuration = read_config(config_file, status);
  if (!configuration) return status;
  const auto books = control::replay(*configuration, command);
  if (!books) return complain(books.error());
  fmt::print("rx {} = forward {} + host {} + answer {} + drop {}\n", books->rx,
             books->total(Outcome::kForward), books->total(Outcome::kHost),
             books->total(Outcome::kAnswer), books->total(Outcome::kDrop));
  for (std::size_t v = 0; v < kVerdicts; ++v)
    if (outcome(static_cast<Verdict>(v)) == Outcome::kDrop && books->verdicts[v] != 0)
      fmt::print("  drop {}: {}\n", text(static_cast<Verdict>(v)).name, books->verdicts[v]);
  return books->in_flight() == 0 ? 0 : 1;
}

int run(const std::string& config_file) {
  int status = 0;
  auto configuration = read_config(config_file, status);
  if (!configuration) return status;
  const auto done = control::run_daemon(std::move(*configuration), config_file, page());
  return done ? 0 : complain(done.error());
}

int schema() {
  fmt::print("{}\n", config::schema());
  return 0;
}

int openapi() {
  fmt::print("{}", control::openapi());
  return 0;
}

int reference() {
  fmt::print("{}", config::reference_markdown());
  return 0;
}

int version() {
  fmt::print("sluiced {}\ninstruction set: {}\nflow cache look-up: {}\n{}\nlibbpf {}\n",
             SLUICE_VERSION, SLUICE_ISA,
#ifdef __AVX2__
             "AVX2",
#else
             "SSE2",
#endif
             rte_version(), libbpf_version_string());
  return 0;
}

}  // namespace sluice::app
