// SPDX-License-Identifier: Apache-2.0
// States as a word and a shape: never by colour alone. The shapes are drawn in css/state.css.
import { element, setAttribute, setText } from "./dom.js";

// By how much an operator should look at it: the order in which tables are sorted.
const STATES = {
  down: { rank: 0, mood: "bad" },
  ejected: { rank: 1, mood: "bad" },
  degraded: { rank: 2, mood: "warn" },
  starting: { rank: 3, mood: "warn" },
  draining: { rank: 4, mood: "calm" },
  maintenance: { rank: 5, mood: "calm" },
  up: { rank: 6, mood: "good" },
  info: { rank: 7, mood: "calm" },
};
const OTHER = { rank: 2, mood: "warn" }; // of a newer daemon

export function rankOf(state) {
  return (STATES[state] ?? OTHER).rank;
}

export function makeState() {
  return element(
    "span",
    { class: "state" },
    element("span", { class: "shape", "aria-hidden": "true" }),
    element("span"),
  );
}

// `state` picks the shape, `word` is what is read; `mood` and colour follow from the state.
export function setState(node, state, word = state) {
  const known = Object.hasOwn(STATES, state) ? STATES[state] : OTHER;
  setAttribute(node, "data-state", Object.hasOwn(STATES, state) ? state : "other");
  setAttribute(node, "data-mood", known.mood);
  setText(node.lastChild, word);
}
