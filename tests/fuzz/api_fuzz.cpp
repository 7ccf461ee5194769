// SPDX-License-Identifier: Apache-2.0
// Any bytes as a request of the admin API: path, query and body, through the real handlers of a
// node without a network.
#include "control/api_requests.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace {

sluice::control::FastPath& fast_path() {
  std::string why;
  auto* const made = sluice::control::Node::fast_path(why);
  SLUICE_ASSERT(made != nullptr, "the fast path opens");
  return *made;
}

std::unique_ptr<sluice::control::Node> fresh() {
  return std::make_unique<sluice::control::Node>(fast_path(), sluice::control::sample(4));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static auto node = fresh();
  sluice::control::expect_sound_answer(
      *node, sluice::control::request_of({reinterpret_cast<const char*>(bytes), size}));
  // A change is allowed to change things: the next input meets the node that the first one met.
  if (node->model->snapshot().generation != 1) {
    node.reset();
    node = fresh();
  }
  return 0;
}
