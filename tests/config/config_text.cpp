// SPDX-License-Identifier: Apache-2.0
// Prints what the field table says, for the page in docs/ and for schema_test.py:
//   config_text schema             the JSON Schema
//   config_text reference FILE     writes the reference page
//   config_text verdicts           for each line of stdin, a document: "accepts", or which layer
//                                  refuses it ("syntax", "field", "rule") and the first such fault
#include "base/file.hpp"
#include "config/decode.hpp"
#include "config/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>

namespace {

using sluice::config::Fault;
using sluice::config::Layer;

void verdicts() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto decoded = sluice::config::decode(line);
    auto shown = std::ranges::find(decoded.faults, Layer::kField, &Fault::layer);
    if (shown == decoded.faults.end()) shown = decoded.faults.begin();
    if (shown == decoded.faults.end())
      fmt::print("accepts\n");
    else
      fmt::print("{}\t{}\n",
                 shown->layer == Layer::kField  ? "field"
                 : shown->layer == Layer::kRule ? "rule"
                                                : "syntax",
                 shown->text());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "schema") {
    fmt::print("{}", sluice::config::schema());
  } else if (command == "verdicts") {
    verdicts();
  } else if (command == "reference" && argc == 3) {
    const auto written =
        sluice::write_file_atomically(argv[2], sluice::config::reference_markdown());
    if (!written) {
      fmt::print(stderr, "{}\n", written.error().text());
      return 1;
    }
  } else {
    fmt::print(stderr, "usage: config_text schema | reference FILE | verdicts\n");
    return 2;
  }
  return 0;
}
