// SPDX-License-Identifier: Apache-2.0
// What an operator must know first, worst first. Functions of the last answer: the page shows them,
// the tests ask them.
import { plural, short, some } from "./format.js";

function bad(id, text) {
  return { id, mood: "bad", text };
}

function warn(id, text) {
  return { id, mood: "warn", text };
}

function ofNode(stats, derived) {
  const { status, workers } = stats;
  const found = [];
  const stuck = workers.filter((worker) => derived.stuck(worker)).map((worker) => worker.id);
  if (stuck.length > 0)
    found.push(
      bad(
        "stuck",
        "Worker " +
          some(stuck) +
          " stands still: its core does not turn, and packets of its queues wait. " +
          "Look at what else runs on that core.",
      ),
    );
  if (status.stopping)
    found.push(
      warn("stopping", "The daemon is stopping: it is not ready any more, and ends when traffic has ceased."),
    );
  else if (!status.ready) found.push(bad("not_ready", "Not ready: " + status.not_ready_because + "."));
  if (!status.books.balanced)
    found.push(
      bad(
        "books",
        "The books do not balance: " +
          plural(status.books.in_flight, "packet") +
          " came in and are accounted for nowhere. Please report this with the output of sluicectl status.",
      ),
    );
  const reload = status.configuration.last_reload;
  if (!reload.ok)
    found.push(
      bad(
        "reload",
        "The last reload was refused, the configuration before it is running: " +
          (some(reload.faults, 2) || "see the log") +
          ".",
      ),
    );
  for (const port of status.ports)
    if (port.link !== "up")
      found.push(bad("link/" + port.name, "The link of port " + port.name + " is " + port.link + "."));
  if (status.announced?.problem)
    found.push(bad("announced", "Addresses are not announced: " + status.announced.problem + "."));
  if (!status.state.writable)
    found.push(warn("state", "State cannot be saved: " + status.state.problem + "."));
  const missed = derived.rate("node/missed");
  if (missed > 0)
    found.push(
      warn(
        "missed",
        "Workers are too slow for what comes in: packets are lost before they see them. " +
          "Add workers or nodes.",
      ),
    );
  return found;
}

function ofServices(stats) {
  const awaited = new Set(stats.scale.filter((pool) => pool.awaits).map((pool) => pool.name));
  return stats.services
    .filter((service) => service.backends_up === 0 && !awaited.has(service.pool))
    .map((service) =>
      bad(
        "service/" + service.name,
        "Service " + service.name + " has no backend: its clients are not served.",
      ),
    );
}

function ofBackends(stats) {
  const found = [];
  const named = (list) =>
    some(
      list.map((backend) => backend.name),
      4,
    );
  for (const pool of stats.health)
    if (pool.panic)
      found.push(
        bad(
          "panic/" + pool.name,
          "So many backends of pool " +
            pool.name +
            " are down that all get traffic, the sick ones too (panic threshold).",
        ),
      );
  const down = stats.backends.filter((backend) => backend.state === "down" || backend.state === "ejected");
  if (down.length > 0)
    found.push(warn("down", plural(down.length, "backend") + " down: " + named(down) + "."));
  const lost = stats.backends.filter((backend) => !backend.next_hop.resolved);
  if (lost.length > 0)
    found.push(
      warn(
        "next_hop",
        "No way to " +
          plural(lost.length, "backend") +
          ": " +
          named(lost) +
          " (" +
          lost[0].next_hop.problem +
          ").",
      ),
    );
  return found;
}

function ofScaling(stats) {
  const found = [];
  for (const pool of stats.scale) {
    if (pool.actuator.trouble)
      found.push(
        warn(
          "actuator/" + pool.name,
          "Scaling of pool " + pool.name + " is in trouble: " + pool.actuator.trouble + ".",
        ),
      );
    if (pool.decision !== null && pool.decision.uncovered_per_s > 0)
      found.push(
        warn(
          "uncovered/" + pool.name,
          "Pool " +
            pool.name +
            " is not enough for its load: " +
            short(pool.decision.uncovered_per_s) +
            " requests/s are more than it may grow to (" +
            (some(pool.decision.limits) || "max") +
            ").",
        ),
      );
  }
  return found;
}

export function staleTrouble(clock, why) {
  return bad("stale", "Stale since " + clock + ": " + why + ". What you see is of then.");
}

export function troubles(stats, derived) {
  const found = [...ofNode(stats, derived), ...ofServices(stats), ...ofBackends(stats), ...ofScaling(stats)];
  return [...found.filter((one) => one.mood === "bad"), ...found.filter((one) => one.mood !== "bad")];
}
