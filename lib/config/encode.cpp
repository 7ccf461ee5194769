// SPDX-License-Identifier: Apache-2.0
#include "config/encode.hpp"

#include "config/table.hpp"
#include "config/value.hpp"

namespace sluice::config {

std::string encode(const Configuration& configuration) {
  return print(write_object(table(), &configuration));
}

}  // namespace sluice::config
