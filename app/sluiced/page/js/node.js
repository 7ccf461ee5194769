// SPDX-License-Identifier: Apache-2.0
// Which node this is, since when, and by which configuration.
import { Facts, byId, setText } from "./dom.js";
import { count, duration, moment } from "./format.js";
import { setState } from "./state.js";

export class NodeView {
  constructor() {
    this.facts = new Facts(byId("facts"));
  }

  show(stats) {
    const { status } = stats;
    const { configuration } = status;
    const reload = configuration.last_reload;
    setText(byId("node-name"), status.node);
    setState(
      byId("readiness"),
      status.ready ? "up" : "down",
      status.stopping ? "stopping" : status.ready ? "ready" : "not ready",
    );
    setText(
      byId("about"),
      [
        status.version,
        "up for " + duration(status.uptime_s),
        configuration.file + ", loaded " + moment(configuration.loaded_at),
        "tables " + duration(status.generation_age_s) + " old, generation " + count(status.generation),
      ].join(" · "),
    );
    const set = (term, text, mood) => this.facts.set(term, text, mood ?? null);
    set("Version", status.version + " (" + status.isa + "), process " + status.pid);
    set("Up for", duration(status.uptime_s));
    set("Configuration", configuration.file);
    set(
      "Loaded",
      moment(configuration.loaded_at) + (configuration.hash ? ", " + configuration.hash.slice(0, 12) : ""),
    );
    set("Last reload", (reload.ok ? "OK" : "refused") + " at " + moment(reload.at), reload.ok ? null : "bad");
    set("Operator's changes", count(configuration.operator_changes));
    set(
      "Tables",
      "generation " + count(status.generation) + ", " + duration(status.generation_age_s) + " old",
    );
    set(
      "Books",
      status.books.balanced
        ? "balanced, " + count(status.books.rx) + " packets"
        : count(status.books.in_flight) + " packets are missing",
      status.books.balanced ? null : "bad",
    );
    set(
      "State",
      status.state.directory + (status.state.writable ? "" : ": " + status.state.problem),
      status.state.writable ? null : "warn",
    );
    set("Huge pages", status.huge_pages ? "yes" : "no");
    if (status.announced)
      set("Announced", (status.announced.addresses.join(", ") || "nothing") + " on " + status.announced.link);
  }
}
