// SPDX-License-Identifier: Apache-2.0
// The dashboard at "/", as assemble.py has put it together at build time.
//
// Threads: constants.
#pragma once

#include "http/page.hpp"

namespace sluice::app {

[[nodiscard]] http::Page page() noexcept;

}  // namespace sluice::app
