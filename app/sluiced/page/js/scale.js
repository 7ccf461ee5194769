// SPDX-License-Identifier: Apache-2.0
// The autoscaler: what it sees, what it expects, what it did, and why.
import { Chart } from "./chart.js";
import { Facts, byId, element, setHidden, setText } from "./dom.js";
import { count, duration, moment, percent, plural, short } from "./format.js";
import { ask } from "./poll.js";
import { ScaleHistory, WINDOW } from "./scale_history.js";
import { makeState, setState } from "./state.js";
import { Table } from "./table.js";

const LIST_EVERY = 5000; // ms between questions for past decisions
const MOST = 10; // of them in the table

function seconds(time) {
  return new Date(time).getTime() / 1000;
}

function standing(pool) {
  if (pool.standing === "paused") return ["maintenance", "paused"];
  if (pool.standing === "override")
    return [
      "maintenance",
      "override" + (pool.override_left_s === null ? "" : ", " + duration(pool.override_left_s) + " left"),
    ];
  return pool.actuator.trouble || !pool.actuator.ready ? ["degraded", "auto, in trouble"] : ["up", "auto"];
}

class PoolScale {
  constructor(place, name) {
    this.name = name;
    this.history = new ScaleHistory();
    this.decisions = [];
    this.state = makeState();
    this.wanted = element("span", { class: "about" });
    this.reason = element("p", { class: "reason" });
    const facts = element("dl", { class: "facts" });
    this.facts = new Facts(facts);
    this.box = element(
      "article",
      { class: "scaled", "aria-label": "Scaling of pool " + name },
      element("header", {}, element("h3", {}, name), this.state, this.wanted),
      this.reason,
    );
    place.append(this.box);
    this.chart = new Chart(this.box, {
      title: "Requests/s: demand, forecast and capacity",
      height: 220,
      text: (value) => short(value),
      range: () => this.history.range(),
      now: () => this.history.now,
      marks: () => this.decisions.map((one) => ({ time: seconds(one.time), up: one.desired >= one.before })),
      series: [
        { label: "demand", colour: "series-a", width: 2, span: true },
        { label: "capacity", colour: "series-d", stepped: true, span: true },
        { label: "forecast", colour: "series-b", dash: [6, 4], span: true },
        { label: "low", hidden: true, width: 0, span: true },
        { label: "high", hidden: true, width: 0, span: true },
      ],
      bands: [{ series: [5, 4], fill: "series-b-fill" }],
    });
    this.chart.words.append(element("span", { class: "entry" }, "▲▼ decisions"));
    this.box.append(facts);
    this.classes = this.classTable();
    this.told = this.decisionTable();
  }

  classTable() {
    return new Table(this.box, {
      caption: "Classes of pool " + this.name,
      empty: "The pool has no class.",
      key: (one) => one.name,
      columns: [
        { id: "name", title: "Class", head: true, text: (c) => c.name },
        { id: "ready", title: "Ready", number: true, text: (c) => count(c.ready) },
        { id: "starting", title: "Starting", number: true, text: (c) => count(c.starting) },
        { id: "draining", title: "Draining", number: true, text: (c) => count(c.draining) },
        { id: "asleep", title: "Asleep", number: true, text: (c) => count(c.asleep) },
        {
          id: "capacity",
          title: "Requests/s each",
          number: true,
          text: (c) => short(c.capacity_per_s),
          about: "As learned",
        },
        {
          id: "cold",
          title: "Cold start",
          number: true,
          text: (c) => duration(c.cold_start_s),
          about: "As learned",
        },
        { id: "price", title: "Price/h", number: true, text: (c) => short(c.price_per_hour) },
        {
          id: "failed",
          title: "Failed starts",
          number: true,
          about: "In a row",
          text: (c) =>
            count(c.starts_failed_in_a_row) +
            (c.held_back_s > 0 ? ", next in " + duration(c.held_back_s) : ""),
        },
      ],
    });
  }

  decisionTable() {
    return new Table(this.box, {
      caption: "Last decisions for pool " + this.name,
      empty: "Nothing has been changed yet.",
      key: (one) => one.time + one.desired,
      columns: [
        { id: "time", title: "Time", head: true, text: (d) => moment(d.time) },
        {
          id: "change",
          title: "Backends",
          number: true,
          text: (d) => count(d.before) + " → " + count(d.desired),
        },
        {
          id: "cause",
          title: "Cause",
          text: (d) =>
            d.cause.replaceAll("_", " ") + (d.limits.length > 0 ? " (" + d.limits.join(", ") + ")" : ""),
        },
        { id: "reason", title: "Reason", wide: true, text: (d) => d.reason },
      ],
    });
  }

  // Once, when the pool is first shown: what comes later is seen by the page itself.
  async recall() {
    const from = Math.floor(Date.now() / 1000) - WINDOW;
    const path = "/api/v1/scale/history?pool=" + encodeURIComponent(this.name) + "&step=1&from=" + from;
    try {
      const { from_s: first, step_s: step, requests_per_s: means } = await ask(path);
      this.history.past(first, step, means);
    } catch {
      // Then the chart begins now.
    }
  }

  remember(decisions) {
    this.decisions = decisions;
    for (const one of decisions) this.history.add(seconds(one.time), one);
    this.told.update(decisions.slice(-MOST).reverse());
  }

  show(pool, time) {
    const { decision } = pool;
    setState(this.state, ...standing(pool));
    setText(
      this.wanted,
      (decision === null ? "" : plural(decision.desired, "backend") + " wanted · ") +
        pool.min +
        " to " +
        pool.max +
        " · " +
        pool.policy.replaceAll("_", " ") +
        (pool.mode === "act" ? "" : " · only advises"),
    );
    this.classes.update(pool.classes);
    const set = (term, text, mood) => this.facts.set(term, text, mood ?? null);
    const ready = pool.actuator.ready ? "ready" : "not ready";
    set(
      "Actuator",
      pool.actuator.type + ", " + (pool.actuator.trouble ?? ready),
      pool.actuator.trouble ? "bad" : null,
    );
    set(
      "On their way",
      pool.backends
        .filter((one) => one.phase !== "serving")
        .map((one) => one.name + " " + one.phase + " for " + duration(one.since_s))
        .join(", ") || "nobody",
    );
    setText(this.reason, decision === null ? "No decision yet." : decision.reason);
    if (decision === null) return;
    this.history.add(time, decision);
    set("Demand", short(decision.demand_per_s) + " requests/s, " + short(decision.backlog) + " wait");
    set(
      "Capacity",
      short(decision.capacity_per_s) + " requests/s, used to " + percent(decision.saturation, 0),
    );
    set(
      "Forecast",
      short(decision.forecast_per_s) +
        " (" +
        short(decision.forecast_low_per_s) +
        " to " +
        short(decision.forecast_high_per_s) +
        ") in " +
        duration(decision.horizon_s) +
        ", by " +
        (decision.forecaster || "nobody").replaceAll("_", " "),
    );
    set(
      "Needed",
      short(decision.needed_per_s) + ", provided " + short(decision.provided_per_s) + " requests/s",
    );
    set(
      "Cost",
      short(decision.cost_per_hour) +
        " an hour" +
        (pool.budget_per_hour ? " of " + short(pool.budget_per_hour) : ""),
    );
    this.chart.show(this.history.columns());
  }
}

export class ScaleView {
  constructor() {
    this.pools = new Map();
    this.asked = -LIST_EVERY;
  }

  show(stats) {
    const place = byId("scaling-list");
    setHidden(byId("scaling-none"), stats.scale.length !== 0);
    const left = new Set(this.pools.keys());
    for (const pool of stats.scale) {
      left.delete(pool.name);
      const fresh = !this.pools.has(pool.name);
      if (fresh) this.pools.set(pool.name, new PoolScale(place, pool.name));
      this.pools.get(pool.name).show(pool, Math.round(Date.now() / 1000));
      if (fresh) this.pools.get(pool.name).recall();
    }
    for (const name of left) {
      this.pools.get(name).box.remove();
      this.pools.delete(name);
    }
    if (stats.scale.length > 0) this.list();
  }

  // Decisions of the past are long and change seldom: a question of their own.
  async list() {
    if (performance.now() - this.asked < LIST_EVERY) return;
    this.asked = performance.now();
    try {
      const answer = await ask("/api/v1/scale");
      for (const pool of answer.pools) this.pools.get(pool.name)?.remember(pool.decisions);
    } catch {
      // The poll tells when the daemon is gone; the list is asked for again.
    }
  }
}
