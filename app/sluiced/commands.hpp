// SPDX-License-Identifier: Apache-2.0
// What `sluiced` can be told to do. Each returns the exit status: 0 done, 1 failed, 2 wrong usage
// or configuration.
#pragma once

#include "control/replay_command.hpp"

#include <string>

namespace sluice::app {

int check(const std::string& config_file);
int replay(const std::string& config_file, const control::ReplayCommand& command);
int run(const std::string& config_file);
int schema();
int openapi();
int reference();
int version();

}  // namespace sluice::app
