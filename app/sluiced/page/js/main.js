// SPDX-License-Identifier: Apache-2.0
// Puts the parts together: one question a second, one look at the answer by each part.
import { BackendsView } from "./backends.js";
import { Banner } from "./banner.js";
import { Derived } from "./derive.js";
import { byId, setAttribute, setText } from "./dom.js";
import { DropsView } from "./drops.js";
import { EventsView } from "./events.js";
import { moment } from "./format.js";
import { NodeView } from "./node.js";
import { Poll } from "./poll.js";
import { ScaleView } from "./scale.js";
import { ServicesView } from "./services.js";
import { startTheme } from "./theme.js";
import { TrafficView } from "./traffic.js";
import { staleTrouble, troubles } from "./trouble.js";
import { WorkersView } from "./workers.js";

startTheme();
const derived = new Derived();
const banner = new Banner();
const backends = new BackendsView();
const events = new EventsView();
const views = [
  new NodeView(),
  new TrafficView(),
  new DropsView(),
  new ServicesView(),
  backends,
  new ScaleView(),
  new WorkersView(),
  events,
];
let known = [];
let node = "node";

function good(stats) {
  derived.take(stats);
  for (const view of views) view.show(stats, derived);
  known = troubles(stats, derived);
  node = stats.status.node;
  banner.show(known, node);
  setAttribute(document.body, "data-stale", null);
  setText(byId("updated"), "as of " + moment(new Date()));
}

function stale(since, why) {
  setAttribute(document.body, "data-stale", "yes");
  setText(byId("updated"), "stale since " + moment(since));
  banner.show([staleTrouble(moment(since), why), ...known.filter((one) => one.id !== "stale")], node);
}

new Poll({ path: () => "/api/v1/stats?" + backends.query() + events.query(), good, stale }).start();
