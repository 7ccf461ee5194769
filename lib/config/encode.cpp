// SPDX-License-Identifier: Apache-2.0
#include "config/encode.hpp"

#include "config/table.hpp"
#include "config/value.hpp"

namespace sluice::config {

std::string encode(const Configuration& configuration, Secrets secrets) {
  Value written = write_object(table(), &configuration);
  if (secrets == Secrets::kHidden) hide_secrets(table(), written);
  return print(written);
}

}  // namespace sluice::config
