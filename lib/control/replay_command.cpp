// SPDX-License-Identifier: Apache-2.0
#include "control/replay_command.hpp"

#include "control/describe.hpp"
#include "dataplane/eal.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace sluice::control {
namespace {

constexpr unsigned kMemoryMb = 64;

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

Result<std::unique_ptr<const snapshot::Snapshot>> snapshot_of(const config::Configuration& c) {
  auto numbers = number_space(c.flow_cache);
  if (auto taken = take_numbers(c, numbers, {}); !taken) return forward_error(taken);
  auto input = describe(c, {}, numbers, configured_reaches(c, egress_ports(c, {})));
  input.generation = 1;
  return snapshot::build(std::move(input), nullptr);
}

// Names are of [A-Za-z0-9_.-], which the configuration's check saw to: nothing needs escaping.
std::string quoted(std::string_view name) {
  return name.empty() ? std::string("null") : fmt::format("\"{}\"", name);
}

std::string_view reason_of(Verdict verdict) {
  if (verdict == Verdict::kForward) return {};
  return verdict == Verdict::kHost ? std::string_view("no_service") : text(verdict).name;
}

}  // namespace

std::string verdict_line(const dataplane::ReplayVerdict& v, const snapshot::Snapshot& now) {
  std::string_view service;
  std::string_view backend;
  if (v.service != nullptr) {
    service = now.input.services[static_cast<std::size_t>(v.service - now.services.data())].name;
    if (v.backend != nullptr) {
      const auto& backends = now.input.pools[v.backend->pool].backends;
      backend = std::ranges::find(backends, v.number, &snapshot::BackendInput::number)->name;
    }
  }
  return fmt::format(R"({{"index":{},"verdict":"{}","reason":"{}","service":{},"backend":{}}})",
                     v.index, name(outcome(v.verdict)), reason_of(v.verdict), quoted(service),
                     quoted(backend));
}

Result<dataplane::Books> replay(const config::Configuration& configuration,
                                const ReplayCommand& command) {
  auto now = snapshot_of(configuration);
  if (!now) return forward_error(now);
  std::unique_ptr<std::FILE, CloseFile> verdicts;
  if (!command.verdicts.empty()) {
    verdicts.reset(std::fopen(command.verdicts.c_str(), "we"));
    if (!verdicts)
      return fail(Errc::kIo, command.verdicts, "cannot create it: {}", std::strerror(errno));
  }
  auto eal = dataplane::Eal::start_small(kMemoryMb);
  if (!eal) return forward_error(eal);
  auto books =
      dataplane::replay({.in = command.in,
                         .out = command.out,
                         .time_scale = command.time_scale,
                         .flows = configuration.flow_cache.flows},
                        **now, [&](const dataplane::ReplayVerdict& verdict) {
                          if (verdicts)
                            fmt::print(verdicts.get(), "{}\n", verdict_line(verdict, **now));
                        });
  if (verdicts && (std::fflush(verdicts.get()) != 0 || std::ferror(verdicts.get()) != 0))
    return fail(Errc::kIo, command.verdicts, "could not be written whole: {}",
                std::strerror(errno));
  return books;
}

}  // namespace sluice::control
