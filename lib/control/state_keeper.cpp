// SPDX-License-Identifier: Apache-2.0
#include "control/state_keeper.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

namespace sluice::control {

OperatorState StateKeeper::load(const std::string& directory) {
  auto loaded = load_operator_state(directory);
  if (!loaded.problem.empty())
    events_.add(Level::kWarn, "state", "state_not_loaded", loaded.problem);
  return std::move(loaded.state);
}

void StateKeeper::put_aside(const std::string& directory, const Error& reason) {
  const auto path = std::filesystem::path(directory) / "operator.json";
  const auto beside = path.string() + ".contradicts";
  std::error_code failed;
  std::filesystem::copy_file(path, beside, std::filesystem::copy_options::overwrite_existing,
                             failed);
  events_.add(Level::kWarn, "state", "state_not_loaded",
              fmt::format("operator's changes contradict the configuration ({}) and are left out; "
                          "{}",
                          reason.text(),
                          failed ? "they could not be kept: " + failed.message()
                                 : "they are kept as " + beside));
}

void StateKeeper::save(const OperatorState& state, const std::string& directory) {
  if (saved_ == state) return;
  const auto saved = save_operator_state(state, directory);
  if (saved) saved_ = state;
  note(saved ? std::string() : saved.error().text());
}

void StateKeeper::note(const std::string& problem) {
  if (problem == standing_.state_problem) return;
  standing_.state_problem = problem;
  if (problem.empty()) {
    events_.add(Level::kInfo, "state", "state_saved", "the state directory can be written again");
  } else {
    events_.add(
        Level::kWarn, "state", "state_not_saved",
        problem + "; forwarding goes on, but operator's changes will not survive a restart");
  }
}

}  // namespace sluice::control
