// SPDX-License-Identifier: Apache-2.0
// All commands of sluicectl with their options: one tree that help, parsing and completion share.
//
// Threads: values.
#pragma once

#include "client/command_line.hpp"

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace sluice::client {

/// What CLI11 writes to; numbers and flows stay text until all words are known to be in their
/// place.
struct Typed {
  CommandLine line;
  std::string weight;
  std::string port;
  std::string max_connections;
  std::string since;
  std::string limit;
  std::string sample;
  std::string snap;
  std::string count;
  std::string seconds;
  std::string backends;
  std::string lasts;
  std::string step;
  std::vector<std::string> flow{3};
  TypedPlan plan;
};

/// Adds every command and option. @param typed  lives longer than `app`; its line's socket is what
///   help shows as the default.
void add_commands(CLI::App& app, Typed& typed);

}  // namespace sluice::client
