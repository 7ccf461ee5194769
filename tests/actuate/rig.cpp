// SPDX-License-Identifier: Apache-2.0
#include "actuate/rig.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <sys/stat.h>

#include <chrono>
#include <fstream>

namespace sluice::actuate::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

std::filesystem::path new_folder() {
  std::string path = std::filesystem::temp_directory_path() / "sluice-actuate-XXXXXX";
  EXPECT_NE(::mkdtemp(path.data()), nullptr);
  return path;
}

}  // namespace

Rig::Rig()
    : loop(EventLoop::open([start = Clock::now()] {
             return start + 20 * (Clock::now() - start);
           }).value()),
      folder(new_folder()),
      children_(*loop) {}

Rig::~Rig() { std::filesystem::remove_all(folder); }

bool Rig::wait(const std::function<bool()>& condition) {
  const auto end = Clock::now() + 30s;
  while (!condition() && Clock::now() < end) loop->turn(20ms);
  return condition();
}

Report Rig::ask(Actuator& actuator, const Order& order) {
  const auto before = reports.size();
  actuator.order(order);
  EXPECT_TRUE(wait([&] { return reports.size() > before; })) << "no report";
  if (reports.size() == before) return {};
  EXPECT_EQ(reports.back().order_id, order.id);
  EXPECT_EQ(actuator.pending(), 0U);
  return reports.back();
}

std::uint16_t Rig::serve(const std::string& name, const std::string& more) {
  const auto started = children_.start(
      {.arguments = {SLUICE_PYTHON, std::string(SLUICE_SERVERS) + "/" + name, folder, more}},
      [](const ChildProcesses::End& end) { FAIL() << end.text() << end.output; });
  EXPECT_TRUE(started);
  std::uint16_t port = 0;
  EXPECT_TRUE(wait([&] { return (std::ifstream(folder / "port") >> port) && port != 0; }));
  return port;
}

std::string Rig::file(const std::string& name, std::string_view content, unsigned mode) {
  const std::string at = folder / name;
  std::ofstream(at) << content;
  EXPECT_EQ(::chmod(at.c_str(), mode), 0);
  return at;
}

std::vector<nlohmann::json> Rig::lines(const std::string& name) const {
  std::vector<nlohmann::json> found;
  std::ifstream in(folder / name);
  for (std::string line; std::getline(in, line);) found.push_back(nlohmann::json::parse(line));
  return found;
}

Order start_of(const std::string& name) {
  return {.id = "edge-1-7",
          .verb = Verb::kStart,
          .pool = "llama",
          .backend_class = "h100",
          .name = name};
}

}  // namespace sluice::actuate::test
