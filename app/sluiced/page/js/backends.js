// SPDX-License-Identifier: Apache-2.0
// Pools and their backends. A pool that is closed is not asked for.
import { byId, element, setAttribute, setHidden, setText } from "./dom.js";
import { count, duration, milliseconds, percent, plural, short } from "./format.js";
import { makeState, rankOf, setState } from "./state.js";
import { Table } from "./table.js";

const OPEN_UP_TO = 1000; // backends of the node: with more, pools are asked for when they are opened
const GOOD = new Set(["up", "draining", "maintenance"]);

function lastCheck(backend) {
  const last = backend.health?.last;
  if (!last) return backend.health === undefined ? "not checked" : "no answer yet";
  const result = last.ok ? "OK" : last.fault.replaceAll("_", " ");
  return result + " " + milliseconds(last.took_ms) + (last.detail ? " · " + last.detail : "");
}

function weightText(backend) {
  const now = backend.weight_now ?? backend.weight;
  return now === backend.weight ? count(backend.weight) : count(now) + " of " + count(backend.weight);
}

// A bar for the share of the packets, with a mark where the share of the table is.
function makeShares(cell) {
  const bar = element(
    "span",
    { class: "bar", "aria-hidden": "true" },
    element("span", { class: "part" }),
    element("span", { class: "goal" }),
  );
  cell.append(bar, element("span", { class: "shares" }));
}

function setWidth(node, property, value) {
  if (node.style.getPropertyValue(property) !== value) node.style.setProperty(property, value);
}

function digits(share) {
  return share > 0 && share < 0.01 ? 2 : 1;
}

// The largest share of the pool fills the bar, so that those of many backends can be told apart.
function showShares(cell, backend, share, most) {
  const [bar, text] = cell.childNodes;
  const width = (value) => (most > 0 ? Math.min(100, (100 * (value ?? 0)) / most).toFixed(1) : "0") + "%";
  setWidth(bar.firstChild, "width", width(share));
  setWidth(bar.lastChild, "left", width(backend.slots_share));
  setText(
    text,
    percent(backend.slots_share, digits(backend.slots_share)) + " → " + percent(share, digits(share)),
  );
}

export class BackendsView {
  constructor() {
    this.place = byId("pools-list");
    this.pools = new Map();
    this.search = byId("search");
    this.onlyTrouble = byId("only-trouble");
    this.search.addEventListener("input", () => this.filter());
    this.onlyTrouble.addEventListener("change", () => this.filter());
    this.derived = null;
    this.ports = 1;
  }

  // The query that asks for what is open; before anything is known, for nothing.
  query() {
    const open = [...this.pools]
      .filter(([, pool]) => pool.box.open)
      .map(([name]) => "pool=" + encodeURIComponent(name));
    return open.length === 0 ? "pool=" : open.join("&");
  }

  columns(state) {
    const rate = (b, what) => this.derived.backendRate(b, what);
    return [
      {
        id: "state",
        title: "State",
        first: true,
        value: (b) => rankOf(b.state),
        make: (cell) => cell.append(makeState()),
        show: (cell, b) => {
          const wish =
            b.operator !== "none" && b.state !== b.operator && !b.state.startsWith(b.operator)
              ? " (" + b.operator + ")"
              : "";
          setState(cell.firstChild, b.state, b.state + wish);
        },
      },
      { id: "name", title: "Backend", head: true, value: (b) => b.name, text: (b) => b.name },
      { id: "address", title: "Address", value: (b) => b.address, text: (b) => b.address },
      {
        id: "weight",
        title: "Weight",
        number: true,
        value: (b) => b.weight,
        text: weightText,
        about: "In force, and what is asked for where that is more (slow start)",
      },
      {
        id: "share",
        title: "Table → packets",
        broad: true,
        value: (b) => b.slots_share,
        make: makeShares,
        show: (cell, b) => showShares(cell, b, this.derived.backendShare(b), state.most),
        about: "Share of the pool's table, and of its packets in the last 10 s",
      },
      {
        id: "packets",
        title: "Packets/s",
        number: true,
        value: (b) => rate(b, "packets"),
        text: (b) => short(rate(b, "packets")),
      },
      {
        id: "flows",
        title: "New flows/s",
        number: true,
        value: (b) => rate(b, "new_flows"),
        text: (b) => short(rate(b, "new_flows")),
      },
      {
        id: "active",
        title: "Flows",
        number: true,
        value: (b) => b.active_flows,
        text: (b) => count(b.active_flows),
      },
      {
        id: "check",
        title: "Last check",
        wide: true,
        value: (b) => b.health?.last?.took_ms,
        show: (cell, b) => {
          setText(cell, lastCheck(b));
          setAttribute(cell, "data-mood", b.health?.last && !b.health.last.ok ? "bad" : null);
        },
      },
      {
        id: "since",
        title: "For",
        number: true,
        value: (b) => b.health?.since_s,
        text: (b) => duration(b.health?.since_s),
        about: "How long it has been in this state",
      },
      {
        id: "hop",
        title: "Next hop",
        value: (b) => b.next_hop.mac,
        show: (cell, b) => {
          const way = this.ports > 1 ? b.next_hop.port + " " : "";
          setText(cell, b.next_hop.resolved ? way + b.next_hop.mac : b.next_hop.problem || "not resolved");
          setAttribute(cell, "data-mood", b.next_hop.resolved ? null : "bad");
        },
      },
    ];
  }

  make(pool, open) {
    const state = makeState();
    const about = element("span", { class: "about" });
    const box = element(
      "details",
      { class: "pool" },
      element("summary", {}, element("h3", {}, pool.name), state, about),
    );
    box.open = open;
    const made = { box, state, about, most: 0, hidden: element("p", { class: "empty" }) };
    made.table = new Table(box, {
      caption: "Backends of pool " + pool.name,
      empty: "This pool has no backend.",
      key: (backend) => backend.name,
      columns: this.columns(made),
      sort: "state",
    });
    box.append(made.hidden);
    this.pools.set(pool.name, made);
    return made;
  }

  show(stats, derived) {
    this.derived = derived;
    this.ports = stats.status.ports.length;
    const health = new Map(stats.health.map((pool) => [pool.name, pool]));
    const byPool = new Map(stats.pools.map((pool) => [pool.name, []]));
    for (const backend of stats.backends) byPool.get(backend.pool)?.push(backend);
    const left = new Set(this.pools.keys());
    for (const pool of stats.pools) {
      const fresh = !this.pools.has(pool.name);
      const made = this.pools.get(pool.name) ?? this.make(pool, stats.status.backends.total <= OPEN_UP_TO);
      left.delete(pool.name);
      this.place.append(...(made.box.parentNode === null ? [made.box] : []));
      this.head(made, pool, health.get(pool.name), stats);
      const list = byPool.get(pool.name);
      if (made.box.open && !fresh && (list.length > 0 || pool.backends.length === 0))
        this.rows(made, list, health.get(pool.name));
    }
    for (const name of left) {
      this.pools.get(name).box.remove();
      this.pools.delete(name);
    }
    setHidden(byId("pools-none"), stats.pools.length !== 0);
    setHidden(byId("pools-tools"), stats.status.backends.total < 6);
    this.filter();
  }

  rows(made, list, health) {
    const checks = new Map((health?.backends ?? []).map((backend) => [backend.name, backend]));
    for (const backend of list) backend.health = checks.get(backend.name);
    made.most = list.reduce((most, b) => Math.max(most, b.slots_share, this.derived.backendShare(b) ?? 0), 0);
    made.table.update(list);
  }

  head(made, pool, health, stats) {
    const service = stats.services.find((one) => one.pool === pool.name);
    const up = service?.backends_up ?? null;
    if (health !== undefined)
      setState(made.state, health.state, health.panic ? health.state + ", panic" : health.state);
    setHidden(made.state, health === undefined);
    setText(
      made.about,
      [
        up === null
          ? plural(pool.backends.length, "backend")
          : count(up) + " of " + plural(pool.backends.length, "backend") + " up",
        pool.forwarding,
        pool.policy.replaceAll("_", " "),
        "affinity " + pool.affinity,
      ].join(" · "),
    );
  }

  filter() {
    const words = this.search.value.trim().toLowerCase();
    const trouble = this.onlyTrouble.checked;
    for (const made of this.pools.values()) {
      const shown = made.table.filter(
        (b) =>
          (!trouble || !GOOD.has(b.state) || !b.next_hop.resolved) &&
          (words === "" || (b.name + " " + b.address + " " + b.state).toLowerCase().includes(words)),
      );
      const all = made.table.rows.size;
      setHidden(made.hidden, shown === all);
      setText(
        made.hidden,
        shown === all ? "" : count(all - shown) + " of " + plural(all, "backend") + " not shown",
      );
    }
  }
}
