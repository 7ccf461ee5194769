// SPDX-License-Identifier: Apache-2.0
// The cores that forward, and the ports with the XDP filter in front of them.
import { byId, setAttribute, setText } from "./dom.js";
import { count, fixed, percent, short } from "./format.js";
import { makeState, setState } from "./state.js";
import { Table } from "./table.js";

function queuesOf(worker) {
  return worker.queues.map((one) => one.port + "/" + one.queue).join(", ");
}

export class WorkersView {
  constructor() {
    this.derived = null;
    this.missed = new Map();
    const now = (worker) => this.derived.worker(worker);
    const missed = (worker) =>
      [...new Set(worker.queues.map((one) => one.port))].reduce(
        (sum, port) => sum + (this.missed.get(port) ?? 0),
        0,
      );
    this.table = new Table(byId("workers-table"), {
      caption: "Workers",
      empty: "There is no worker.",
      key: (worker) => String(worker.id),
      columns: [
        {
          id: "state",
          title: "State",
          first: true,
          make: (cell) => cell.append(makeState()),
          show: (cell, w) =>
            setState(cell.firstChild, now(w).stuck ? "down" : "up", now(w).stuck ? "stands still" : "turns"),
        },
        { id: "id", title: "Worker", head: true, value: (w) => w.id, text: (w) => String(w.id) },
        { id: "core", title: "Core", number: true, value: (w) => w.lcore, text: (w) => String(w.lcore) },
        { id: "queues", title: "Queues", text: queuesOf, about: "Port and queue" },
        {
          id: "busy",
          title: "Busy",
          number: true,
          value: (w) => now(w).busy,
          text: (w) => percent(now(w).busy),
        },
        {
          id: "packets",
          title: "Packets/s",
          number: true,
          value: (w) => this.derived.rate("worker/" + w.id + "/packets"),
          text: (w) => short(this.derived.rate("worker/" + w.id + "/packets")),
        },
        {
          id: "burst",
          title: "Packets/burst",
          number: true,
          value: (w) => now(w).perBurst,
          text: (w) => fixed(now(w).perBurst, 1),
        },
        {
          id: "cycles",
          title: "Cycles/packet",
          number: true,
          value: (w) => now(w).perPacket,
          text: (w) => count(now(w).perPacket),
        },
        {
          id: "flows",
          title: "Flows cached",
          number: true,
          value: (w) => w.flow_cache.flows,
          text: (w) => short(w.flow_cache.flows) + " / " + short(w.flow_cache.capacity),
        },
        {
          id: "missed",
          title: "Missed",
          number: true,
          value: missed,
          text: (w) => count(missed(w)),
          about: "Packets that its ports lost before a worker saw them",
        },
      ],
    });
    this.ports = new Table(byId("ports-table"), {
      caption: "Ports and XDP",
      empty: "There is no port.",
      key: (port) => port.name,
      columns: [
        {
          id: "link",
          title: "Link",
          first: true,
          make: (cell) => cell.append(makeState()),
          show: (cell, p) => setState(cell.firstChild, p.link === "up" ? "up" : "down", p.link),
        },
        { id: "name", title: "Port", head: true, value: (p) => p.name, text: (p) => p.name },
        { id: "device", title: "Device", text: (p) => p.device, value: (p) => p.device },
        {
          id: "mode",
          title: "XDP",
          text: (p) => (p.xdp === null ? "none" : p.xdp.mode + " on " + p.interface),
        },
        {
          id: "rx",
          title: "In/s",
          number: true,
          value: (p) => this.derived.rate("port/" + p.name + "/rx_packets"),
          text: (p) => short(this.derived.rate("port/" + p.name + "/rx_packets")),
        },
        {
          id: "tx",
          title: "Out/s",
          number: true,
          value: (p) => this.derived.rate("port/" + p.name + "/tx_packets"),
          text: (p) => short(this.derived.rate("port/" + p.name + "/tx_packets")),
        },
        {
          id: "missed",
          title: "Missed",
          number: true,
          value: (p) => p.rx_missed,
          show: (cell, p) => {
            setText(cell, count(p.rx_missed));
            setAttribute(
              cell,
              "data-mood",
              this.derived.rate("port/" + p.name + "/rx_missed") > 0 ? "bad" : null,
            );
          },
        },
        {
          id: "errors",
          title: "Errors",
          number: true,
          value: (p) => p.rx_errors + p.tx_errors,
          text: (p) => count(p.rx_errors + p.tx_errors),
        },
        {
          id: "counters",
          title: "What the filter did",
          wide: true,
          text: (p) =>
            p.xdp === null
              ? "–"
              : Object.entries(p.xdp.counters)
                  .filter(([, packets]) => packets > 0)
                  .map(([name, packets]) => name.replaceAll("_", " ") + " " + count(packets))
                  .join(", ") || "nothing yet",
        },
      ],
    });
  }

  show(stats, derived) {
    this.derived = derived;
    this.missed = new Map(stats.status.ports.map((port) => [port.name, port.rx_missed]));
    this.table.update(stats.workers);
    this.ports.update(stats.status.ports);
  }
}
