// SPDX-License-Identifier: Apache-2.0
// What most files of this library include, compiled ahead of them where meson.build says so. No
// file includes it.
//
// Threads: none.
#pragma once

#include "config/configuration.hpp"
#include "health/prober.hpp"
