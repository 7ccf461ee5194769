// SPDX-License-Identifier: Apache-2.0
// The last things that happened, newest first.
import { byId, setAttribute, setText } from "./dom.js";
import { moment } from "./format.js";
import { makeState, setState } from "./state.js";
import { Table } from "./table.js";

const MOST = 50;
const SHAPES = { error: "down", warning: "degraded", info: "info" };

export class EventsView {
  constructor() {
    this.events = [];
    this.next = null;
    this.pid = null;
    this.table = new Table(byId("events-table"), {
      caption: "Events",
      empty: "Nothing has happened yet.",
      key: (event) => String(event.id),
      columns: [
        {
          id: "level",
          title: "Level",
          first: true,
          make: (cell) => cell.append(makeState()),
          show: (cell, e) => setState(cell.firstChild, SHAPES[e.level] ?? e.level, e.level),
        },
        {
          id: "at",
          title: "Time",
          head: true,
          show: (cell, e) => {
            setText(cell, moment(e.at));
            setAttribute(cell, "title", e.at);
          },
        },
        { id: "what", title: "What", text: (e) => e.component + " " + e.event.replaceAll("_", " ") },
        { id: "text", title: "Text", wide: true, text: (e) => e.text },
      ],
    });
  }

  query() {
    return this.next === null ? "" : "&since=" + this.next;
  }

  show(stats) {
    if (stats.status.pid !== this.pid) this.events = []; // another daemon numbers from 1
    this.pid = stats.status.pid;
    const last = this.events[0]?.id ?? 0;
    const fresh = stats.events.events.filter((event) => event.id > last);
    this.next = stats.events.next;
    this.events = [...fresh.reverse(), ...this.events].slice(0, MOST);
    this.table.update(this.events);
  }
}
