// SPDX-License-Identifier: Apache-2.0
// Packets that went nowhere, by reason, and what to do.
import { byId, setHidden, setText } from "./dom.js";
import { count, short } from "./format.js";
import { Table } from "./table.js";

export class DropsView {
  constructor() {
    this.derived = null;
    const rate = (drop) => this.derived.rate("drop/" + drop.reason);
    this.all = byId("all-reasons");
    this.all.addEventListener("change", () => this.filter());
    this.table = new Table(byId("drops-table"), {
      caption: "Drops by reason",
      empty: "The daemon tells no reasons.",
      key: (drop) => drop.reason,
      sort: "packets",
      ascending: false,
      columns: [
        { id: "reason", title: "Reason", head: true, value: (d) => d.reason, text: (d) => d.reason },
        {
          id: "packets",
          title: "Packets",
          number: true,
          value: (d) => d.packets,
          text: (d) => count(d.packets),
        },
        { id: "rate", title: "Now/s", number: true, value: rate, text: (d) => short(rate(d)) },
        { id: "remedy", title: "What to do", wide: true, text: (d) => d.remedy },
      ],
    });
  }

  show(stats, derived) {
    this.derived = derived;
    this.table.update(stats.drops.drops);
    this.filter();
    setText(
      byId("answers"),
      stats.drops.answers
        .filter((one) => one.packets > 0)
        .map((one) => one.reason.replace("answered_", "") + " " + count(one.packets))
        .join(", ") || "nothing",
    );
  }

  filter() {
    const shown = this.table.filter((drop) => this.all.checked || drop.packets > 0);
    setHidden(this.table.region, shown === 0);
    setHidden(byId("drops-none"), shown !== 0);
  }
}
