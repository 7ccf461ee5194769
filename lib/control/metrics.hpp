// SPDX-License-Identifier: Apache-2.0
// The node's metrics as OpenMetrics text: metrics_text.hpp puts the parts together.
//
// Threads: slow path; counters are read while workers write them.
#pragma once

#include "control/metric_families.hpp"
#include "control/views.hpp"
#include "telemetry/exposition.hpp"

namespace sluice::control {

inline void begin(telemetry::Exposition& out, FamilyName name) { out.begin(name.row); }

/// Those of the node: build, readiness, verdicts.
void put_node(telemetry::Exposition& out, const Scene& scene);

/// Those of the workers, of their flow caches and of their translations.
void put_workers(telemetry::Exposition& out, const Scene& scene);

/// Those of what the XDP filter tells of backends.
void put_driver(telemetry::Exposition& out, const FastPath& fast_path);

/// Those of the load that backends tell.
void put_load(telemetry::Exposition& out, const LoadKeeper& load);

/// Those of the slow path itself.
void put_slow_path(telemetry::Exposition& out, const Scene& scene);

/// Those of ports and of their XDP filters.
void put_ports(telemetry::Exposition& out, const Scene& scene);

/// Those of the autoscaler.
void put_scale(telemetry::Exposition& out, const ScaleKeeper& scale);

}  // namespace sluice::control
