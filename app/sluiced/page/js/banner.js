// SPDX-License-Identifier: Apache-2.0
// The lines of trouble at the top, the tab's title and its icon. A line is written only when it
// changes, so that a screen reader tells it once.
import { byId, element, setAttribute, setHidden, setText } from "./dom.js";
import { plural } from "./format.js";

const ICONS = {
  good: "<circle cx='8' cy='8' r='6' fill='%231a7f4b'/>",
  warn: "<path d='M8 1 15 14H1z' fill='%23b87700'/>",
  bad: "<rect width='16' height='16' rx='3' fill='%23c62828'/><path d='M5 5l6 6m0-6-6 6' stroke='white' stroke-width='2'/>",
};
const WORDS = { bad: "Trouble", warn: "Notice" };

export class Banner {
  constructor() {
    this.lists = { bad: byId("bad"), warn: byId("warn") };
    this.lines = new Map();
    this.mood = undefined;
  }

  show(troubles, node) {
    const left = new Set(this.lines.keys());
    const at = { bad: this.lists.bad.firstChild, warn: this.lists.warn.firstChild };
    for (const { id, mood, text } of troubles) {
      const line = this.lines.get(id) ?? this.make(id);
      setText(line.firstChild, WORDS[mood]);
      setText(line.lastChild, text);
      if (line === at[mood]) at[mood] = line.nextSibling;
      else this.lists[mood].insertBefore(line, at[mood]);
      left.delete(id);
    }
    for (const id of left) {
      this.lines.get(id).remove();
      this.lines.delete(id);
    }
    for (const list of Object.values(this.lists)) setHidden(list, list.childElementCount === 0);
    this.tab(troubles, node);
  }

  make(id) {
    const line = element("li", { "data-trouble": id }, element("span", { class: "mark" }), element("span"));
    this.lines.set(id, line);
    return line;
  }

  tab(troubles, node) {
    const worst =
      troubles.length === 0 ? "good" : troubles.some((one) => one.mood === "bad") ? "bad" : "warn";
    const bad = troubles.filter((one) => one.mood === "bad").length;
    const title = (bad > 0 ? "(!) " + plural(bad, "trouble") + ", " : "") + node + " – Sluice";
    if (document.title !== title) document.title = title;
    setAttribute(document.body, "data-worst", worst);
    if (worst === this.mood) return;
    this.mood = worst;
    const svg = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>" + ICONS[worst] + "</svg>";
    byId("icon").href = "data:image/svg+xml," + svg;
  }
}
