// SPDX-License-Identifier: Apache-2.0
// What clients connect to.
import { byId } from "./dom.js";
import { count, short } from "./format.js";
import { makeState, setState } from "./state.js";
import { Table } from "./table.js";

function state(service) {
  if (service.backends_up === 0) return "down";
  return service.backends_up < service.backends_total ? "degraded" : "up";
}

const RANKS = { down: 0, degraded: 1, up: 2 };
const WORDS = { down: "no backend", degraded: "up in part", up: "up" };

export function addressOf(address, port) {
  const host = address.includes(":") ? "[" + address + "]" : address;
  return port === 0 ? host + ", every port" : host + ":" + port;
}

export class ServicesView {
  constructor() {
    this.derived = null;
    const rate = (service, what) => this.derived.rate("service/" + service.name + "/" + what);
    const bits = (service) => {
      const bytes = rate(service, "bytes");
      return bytes === null ? null : 8 * bytes;
    };
    this.table = new Table(byId("services-table"), {
      caption: "Services",
      empty: "No service is configured.",
      key: (service) => service.name,
      columns: [
        {
          id: "state",
          title: "State",
          first: true,
          value: (s) => RANKS[state(s)],
          make: (cell) => cell.append(makeState()),
          show: (cell, s) => setState(cell.firstChild, state(s), WORDS[state(s)]),
        },
        { id: "name", title: "Service", head: true, value: (s) => s.name, text: (s) => s.name },
        {
          id: "address",
          title: "Address",
          value: (s) => s.address,
          text: (s) => s.protocol + " " + addressOf(s.address, s.port),
        },
        { id: "pool", title: "Pool", value: (s) => s.pool, text: (s) => s.pool },
        {
          id: "mode",
          title: "Mode",
          value: (s) => s.forwarding,
          text: (s) => s.forwarding,
          about: "How packets reach the backends",
        },
        {
          id: "up",
          title: "Backends up",
          number: true,
          value: (s) => s.backends_up,
          text: (s) => count(s.backends_up) + " / " + count(s.backends_total),
        },
        {
          id: "packets",
          title: "Packets/s",
          number: true,
          value: (s) => rate(s, "packets"),
          text: (s) => short(rate(s, "packets")),
        },
        { id: "bits", title: "Bit/s", number: true, value: bits, text: (s) => short(bits(s)) },
        {
          id: "flows",
          title: "New flows/s",
          number: true,
          value: (s) => rate(s, "new_flows"),
          text: (s) => short(rate(s, "new_flows")),
        },
        {
          id: "all",
          title: "Packets in all",
          number: true,
          value: (s) => s.packets,
          text: (s) => count(s.packets),
        },
      ],
    });
  }

  show(stats, derived) {
    this.derived = derived;
    this.table.update(stats.services);
  }
}
