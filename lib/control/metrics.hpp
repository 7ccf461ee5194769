// SPDX-License-Identifier: Apache-2.0
// The node's metrics as OpenMetrics text.
//
// Threads: slow path; counters are read while workers write them.
#pragma once

#include "control/views.hpp"
#include "telemetry/exposition.hpp"

#include <string>

namespace sluice::control {

/// No label comes from packets or clients. Cost: linear in services and backends times workers.
[[nodiscard]] std::string metrics(const Scene& scene);

/// Those of what the XDP filter tells of backends.
void put_driver(telemetry::Exposition& out, const FastPath& fast_path);

/// Those of the load that backends tell.
void put_load(telemetry::Exposition& out, const LoadKeeper& load);

/// Those of the slow path itself.
void put_slow_path(telemetry::Exposition& out, const Scene& scene);

/// Those of ports and of their XDP filters.
void put_ports(telemetry::Exposition& out, const Scene& scene);

/// Those of how pools' tables are shared out. Cost: a pass over every table, 2 bytes an entry.
void put_tables(telemetry::Exposition& out, const Scene& scene);

/// Those of the autoscaler.
void put_scale(telemetry::Exposition& out, const ScaleKeeper& scale);

}  // namespace sluice::control
