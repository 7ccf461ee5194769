// SPDX-License-Identifier: Apache-2.0
// What two answers in a row say that one alone does not: rates, shares of the traffic, and workers
// that stand still.
import { Counters } from "./rates.js";

const STUCK_AFTER = 0.9; // s without a turn of its loop

function trafficOf(stats) {
  if (stats.traffic !== undefined) return stats.traffic;
  const { books } = stats.status;
  return { rx_packets: books.rx, tx_packets: books.forward + books.answer };
}

export class Derived {
  constructor() {
    this.counters = new Counters();
    this.before = null;
    this.pid = null;
  }

  // Takes the next answer; afterwards the other functions speak of it.
  take(stats) {
    if (stats.status.pid !== this.pid) this.counters.clear(); // another daemon counts from 0
    this.pid = stats.status.pid;
    const seen = new Set();
    const add = (key, value) => {
      seen.add(key);
      if (typeof value === "number") this.counters.add(key, stats.clock_s, value);
    };
    for (const [name, value] of Object.entries(trafficOf(stats))) add("node/" + name, value);
    add("node/drops", stats.drops.total);
    add(
      "node/missed",
      stats.status.ports.reduce((sum, port) => sum + port.rx_missed, 0),
    );
    for (const drop of stats.drops.drops) add("drop/" + drop.reason, drop.packets);
    for (const service of stats.services)
      for (const what of ["packets", "bytes", "new_flows"])
        add("service/" + service.name + "/" + what, service[what]);
    for (const backend of stats.backends)
      for (const what of ["packets", "new_flows"]) add(this.name(backend) + what, backend[what]);
    for (const worker of stats.workers)
      for (const what of ["polls", "packets", "bursts", "busy_cycles", "idle_cycles"])
        add("worker/" + worker.id + "/" + what, worker[what]);
    for (const port of stats.status.ports)
      for (const what of ["rx_packets", "tx_packets", "rx_missed"])
        add("port/" + port.name + "/" + what, port[what]);
    this.counters.keep(seen);
    this.share(stats.backends);
  }

  name(backend) {
    return "backend/" + backend.pool + "/" + backend.name + "/";
  }

  // Each backend's share of its pool's packets, over the window of the counters.
  share(backends) {
    this.shares = new Map();
    const sums = new Map();
    const growths = backends.map((backend) => this.counters.growth(this.name(backend) + "packets"));
    backends.forEach((backend, i) =>
      sums.set(backend.pool, (sums.get(backend.pool) ?? 0) + (growths[i] ?? 0)),
    );
    backends.forEach((backend, i) => {
      const sum = sums.get(backend.pool);
      this.shares.set(this.name(backend), growths[i] === null || sum === 0 ? null : growths[i] / sum);
    });
  }

  rate(key) {
    return this.counters.rate(key);
  }

  backendRate(backend, what) {
    return this.rate(this.name(backend) + what);
  }

  backendShare(backend) {
    return this.shares.get(this.name(backend)) ?? null;
  }

  // A quotient of what two counters have grown by; null when the second has not.
  quotient(above, below) {
    const whole = this.counters.growth(below);
    const part = this.counters.growth(above);
    return part === null || !(whole > 0) ? null : part / whole;
  }

  // What a worker has been doing of late; what the daemon says of its whole life where it does not
  // tell more.
  worker(worker) {
    const key = "worker/" + worker.id + "/";
    const busy = this.counters.growth(key + "busy_cycles");
    const idle = this.counters.growth(key + "idle_cycles");
    const known = busy !== null && idle !== null;
    return {
      busy: known ? (busy + idle > 0 ? busy / (busy + idle) : null) : worker.busy_ratio,
      perBurst: this.quotient(key + "packets", key + "bursts") ?? worker.packets_per_burst,
      perPacket: this.quotient(key + "busy_cycles", key + "packets") ?? worker.cycles_per_packet,
      stuck: this.stuck(worker),
    };
  }

  stuck(worker) {
    const list = this.counters.samples.get("worker/" + worker.id + "/polls");
    if (list === undefined || list.length < 2) return false;
    const now = list[list.length - 1];
    const before = list.findLast((sample) => now.clock - sample.clock >= STUCK_AFTER);
    return before !== undefined && before.value === now.value;
  }
}
