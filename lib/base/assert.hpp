// SPDX-License-Identifier: Apache-2.0
// A broken invariant is a bug: say which, and stop.
#pragma once

#include <cstdio>
#include <cstdlib>

/// Aborts with the condition and `why` (a string literal) when `condition` is false. Always on: it
/// guards the slow path in release builds too, and stays out of per-packet code.
#define SLUICE_ASSERT(condition, why)                                                       \
  do {                                                                                      \
    if (!(condition)) [[unlikely]] {                                                        \
      std::fprintf(stderr, "%s:%d: broken invariant: %s (%s)\n", __FILE__, __LINE__, (why), \
                   #condition);                                                             \
      std::abort();                                                                         \
    }                                                                                       \
  } while (false)
