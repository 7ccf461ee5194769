// SPDX-License-Identifier: Apache-2.0
#include "control/native_telemetry.hpp"

#include "control/traffic.hpp"

#include <rte_telemetry.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>

namespace sluice::control {
namespace {

enum class Subject : std::uint8_t { kStats, kWorkers, kServices };

/// The one question that is under way, and its answer. DPDK's callbacks carry no argument and can
/// not be taken back, so this lives as long as the process.
struct Counter {
  std::mutex one_at_a_time;  ///< Held by who asks, until the answer is there.
  std::mutex guard;          ///< Of what follows.
  std::condition_variable answered;
  int bell = -1;  ///< Of the slow path; -1: nobody answers.
  std::optional<std::pair<Subject, std::size_t>> question;
  std::optional<std::vector<Figures>> answer;
};

Counter& counter() {
  static Counter one;
  return one;
}

std::optional<std::vector<Figures>> ask(Subject subject, std::size_t first) {
  Counter& c = counter();
  const std::scoped_lock mine(c.one_at_a_time);
  std::unique_lock held(c.guard);
  if (c.bell < 0) return std::nullopt;
  c.question = {subject, first};
  c.answer.reset();
  if (::eventfd_write(c.bell, 1) != 0) return std::nullopt;
  c.answered.wait_for(held, NativeTelemetry::kPatience,
                      [&] { return c.answer.has_value() || c.bell < 0; });
  c.question.reset();  // too late is not at all
  return std::exchange(c.answer, std::nullopt);
}

void fill(rte_tel_data* out, const Figures& figures) {
  rte_tel_data_start_dict(out);
  for (const auto& [name, value] : figures) {
    if (const auto* number = std::get_if<std::uint64_t>(&value))
      rte_tel_data_add_dict_u64(out, name.c_str(), *number);
    else
      rte_tel_data_add_dict_string(out, name.c_str(), std::get<std::string>(value).c_str());
  }
}

// DPDK 22.11 has no lists of dictionaries: a list goes out column by column.
bool add_column(rte_tel_data* out, const std::vector<Figures>& rows, std::size_t column) {
  const auto& [name, sample] = rows.front()[column];
  rte_tel_data* const list = rte_tel_data_alloc();
  if (list == nullptr) return false;
  const bool numbers = std::holds_alternative<std::uint64_t>(sample);
  rte_tel_data_start_array(list, numbers ? RTE_TEL_U64_VAL : RTE_TEL_STRING_VAL);
  for (const auto& row : rows) {
    const auto& value = row[column].second;
    if (numbers)
      rte_tel_data_add_array_u64(list, std::get<std::uint64_t>(value));
    else
      rte_tel_data_add_array_string(list, std::get<std::string>(value).c_str());
  }
  if (rte_tel_data_add_dict_container(out, name.c_str(), list, 0) == 0) return true;
  rte_tel_data_free(list);
  return false;
}

// "/sluice/services,64" lists from the 65th on.
int list(Subject subject, const char* parameters, rte_tel_data* out) noexcept try {
  std::size_t first = 0;
  const std::string_view given(parameters == nullptr ? "" : parameters);
  if (!given.empty()) {
    const auto [end, wrong] = std::from_chars(given.data(), given.data() + given.size(), first);
    if (wrong != std::errc{} || end != given.data() + given.size()) return -EINVAL;
  }
  const auto rows = ask(subject, first);
  if (!rows) return -EAGAIN;
  if (subject == Subject::kStats) {
    fill(out, rows->front());
    return 0;
  }
  rte_tel_data_start_dict(out);
  for (std::size_t i = 0; !rows->empty() && i < rows->front().size(); ++i)
    if (!add_column(out, *rows, i)) return -ENOMEM;
  return 0;
} catch (...) {
  return -ENOMEM;
}

int on_stats(const char*, const char*, rte_tel_data* out) {
  return list(Subject::kStats, nullptr, out);
}
int on_workers(const char*, const char* parameters, rte_tel_data* out) {
  return list(Subject::kWorkers, parameters, out);
}
int on_services(const char*, const char* parameters, rte_tel_data* out) {
  return list(Subject::kServices, parameters, out);
}

std::vector<Figures> answer_to(const Scene& scene, Subject subject, std::size_t first) {
  switch (subject) {
    case Subject::kStats:
      return {telemetry_stats(scene)};
    case Subject::kWorkers:
      return telemetry_workers(scene, first);
    case Subject::kServices:
      return telemetry_services(scene, first);
  }
  return {};
}

}  // namespace

Figures telemetry_stats(const Scene& scene) {
  const auto books = scene.fast_path.books();
  Figures figures = {{"generation", scene.model.snapshot().generation},
                     {"ready", std::uint64_t{not_ready_because(scene).empty() ? 1U : 0U}},
                     {"rx", books.rx},
                     {"forward", books.total(Outcome::kForward)},
                     {"host", books.total(Outcome::kHost)},
                     {"answer", books.total(Outcome::kAnswer)},
                     {"drop", books.total(Outcome::kDrop)}};
  for (std::size_t v = 0; v < kVerdicts; ++v)
    if (const auto verdict = static_cast<Verdict>(v); outcome(verdict) == Outcome::kDrop)
      figures.emplace_back(fmt::format("drop_{}", text(verdict).name), books.verdicts[v]);
  return figures;
}

std::vector<Figures> telemetry_workers(const Scene& scene, std::size_t first) {
  std::vector<Figures> rows;
  const auto& workers = scene.fast_path.workers();
  for (std::size_t i = first; i < workers.size() && rows.size() < kTelemetryPage; ++i) {
    const auto& c = workers[i]->counters();
    const auto& cache = workers[i]->cache().stats();
    rows.push_back({{"worker", std::uint64_t{workers[i]->settings().number}},
                    {"lcore", std::uint64_t{workers[i]->settings().lcore}},
                    {"polls", c.polls.value()},
                    {"empty_polls", c.empty_polls.value()},
                    {"packets", c.rx_packets.value()},
                    {"bursts", c.bursts.value()},
                    {"busy_cycles", c.busy_cycles.value()},
                    {"idle_cycles", c.idle_cycles.value()},
                    {"flows", cache.held()},
                    {"cache_hits", cache.hits.value()},
                    {"cache_misses", cache.misses.value()}});
  }
  return rows;
}

std::vector<Figures> telemetry_services(const Scene& scene, std::size_t first) {
  std::vector<Figures> rows;
  const auto& services = scene.model.running().services;
  for (std::size_t i = first; i < services.size() && rows.size() < kTelemetryPage; ++i) {
    const auto traffic = traffic_of_service(scene.fast_path, scene.model.number(services[i]));
    rows.push_back({{"name", services[i].name},
                    {"address", services[i].address.text()},
                    {"port", std::uint64_t{services[i].port}},
                    {"packets", traffic.packets},
                    {"bytes", traffic.bytes},
                    {"new_flows", traffic.new_flows},
                    {"unserved", traffic.unserved}});
  }
  return rows;
}

NativeTelemetry::NativeTelemetry(EventLoop& loop, std::function<Scene()> scene, UniqueFd bell)
    : loop_(loop), scene_(std::move(scene)), bell_(std::move(bell)) {}

Result<std::unique_ptr<NativeTelemetry>> NativeTelemetry::open(EventLoop& loop,
                                                               std::function<Scene()> scene) {
  Counter& c = counter();
  UniqueFd bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell) return fail(Errc::kIo, "telemetry", "{}", std::strerror(errno));
  static const bool registered =
      rte_telemetry_register_cmd("/sluice/stats", on_stats,
                                 "Packets by what became of them. No parameters") == 0 &&
      rte_telemetry_register_cmd("/sluice/workers", on_workers,
                                 "Workers, 64 at a time. Parameter: the first; absent: 0") == 0 &&
      rte_telemetry_register_cmd("/sluice/services", on_services,
                                 "Services, 64 at a time. Parameter: the first; absent: 0") == 0;
  if (!registered) return fail(Errc::kIo, "telemetry", "DPDK does not take the commands");
  const std::scoped_lock held(c.guard);
  if (c.bell >= 0) return fail(Errc::kConflict, "telemetry", "is answered already");
  auto made = std::unique_ptr<NativeTelemetry>(
      new NativeTelemetry(loop, std::move(scene), std::move(bell)));
  const int fd = made->bell_.get();
  auto added = loop.add(fd, EPOLLIN, [self = made.get(), fd](std::uint32_t) {
    eventfd_t rung = 0;
    (void)::eventfd_read(fd, &rung);
    Counter& desk = counter();
    const std::scoped_lock turn(desk.guard);
    if (!desk.question) return;
    desk.answer = answer_to(self->scene_(), desk.question->first, desk.question->second);
    desk.answered.notify_all();
  });
  if (!added) return forward_error(added);
  c.bell = fd;
  return made;
}

NativeTelemetry::~NativeTelemetry() {
  loop_.remove(bell_.get());
  Counter& c = counter();
  const std::scoped_lock held(c.guard);
  c.bell = -1;
  c.answered.notify_all();
}

}  // namespace sluice::control
