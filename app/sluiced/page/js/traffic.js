// SPDX-License-Identifier: Apache-2.0
// The node's traffic: key figures and the last five minutes.
import { Chart } from "./chart.js";
import { byId, setAttribute, setText } from "./dom.js";
import { count, percent, plural, short } from "./format.js";
import { History } from "./rates.js";

const WINDOW = 300; // s

function lines(history, ...columns) {
  return [history.columns[0], ...columns.map((i) => history.columns[i])];
}

export class TrafficView {
  constructor() {
    this.history = new History(5, WINDOW);
    this.now = Date.now() / 1000;
    const range = () => [this.now - WINDOW, this.now];
    const place = byId("charts");
    const both = [
      { label: "in", colour: "series-a", fill: "series-a-fill" },
      { label: "out", colour: "series-b", dash: [6, 4] },
    ];
    this.packets = new Chart(place, { title: "Packets", series: both, range, text: (v) => short(v, "/s") });
    this.bits = new Chart(place, { title: "Bits", series: both, range, text: (v) => short(v, "bit/s") });
    this.drops = new Chart(place, {
      title: "Drops",
      range,
      text: (v) => short(v, "/s"),
      series: [{ label: "dropped", colour: "series-c", fill: "series-c-fill" }],
    });
  }

  show(stats, derived) {
    const rx = derived.rate("node/rx_packets");
    const tx = derived.rate("node/tx_packets");
    const drops = derived.rate("node/drops");
    const bits = (name) => {
      const bytes = derived.rate(name);
      return bytes === null ? null : 8 * bytes;
    };
    const values = [rx, tx, bits("node/rx_bytes"), bits("node/tx_bytes"), drops];
    this.now = Date.now() / 1000;
    this.history.add(this.now, values);
    this.packets.show(lines(this.history, 1, 2));
    this.bits.show(lines(this.history, 3, 4));
    this.drops.show(lines(this.history, 5));
    this.figures(stats, derived, values);
  }

  figures(stats, derived, [rx, tx, rxBits, txBits, drops]) {
    const { status, services, workers } = stats;
    const sum = (what) =>
      services.reduce((whole, service) => {
        const one = derived.rate("service/" + service.name + "/" + what);
        return one === null ? whole : (whole ?? 0) + one;
      }, null);
    const busiest = workers.reduce((most, worker) => Math.max(most, derived.worker(worker).busy ?? 0), 0);
    const { up, total } = status.backends;
    setText(byId("figure-in"), short(rx, "/s"));
    setText(byId("figure-in-more"), short(rxBits, "bit/s"));
    setText(byId("figure-out"), short(tx, "/s"));
    setText(byId("figure-out-more"), short(txBits, "bit/s"));
    setText(byId("figure-drops"), short(drops, "/s"));
    setText(byId("figure-drops-more"), count(stats.drops.total) + " in all");
    setAttribute(byId("figure-drops"), "data-mood", drops > 0 ? "bad" : null);
    setText(byId("figure-flows"), short(sum("new_flows"), "/s"));
    setText(byId("figure-flows-more"), plural(services.length, "service"));
    setText(byId("figure-up"), count(up) + " / " + count(total));
    setText(
      byId("figure-up-more"),
      count(status.backends.draining) + " draining, " + count(status.backends.down) + " down",
    );
    setAttribute(byId("figure-up"), "data-mood", up + status.backends.draining < total ? "warn" : null);
    setText(byId("figure-busy"), percent(busiest, 0));
    setText(
      byId("figure-busy-more"),
      workers.length === 1 ? "the one worker" : "busiest of " + plural(workers.length, "worker"),
    );
  }
}
