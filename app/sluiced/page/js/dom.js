// SPDX-License-Identifier: Apache-2.0
// Elements by name. Whatever comes from the daemon becomes text: nothing here reads HTML, and the
// page's policy forbids it too.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes))
    if (value !== undefined) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function byId(id) {
  return document.getElementById(id);
}

// These write only what has changed: a thousand rows a second cost nothing while they stay the same.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (value === null || value === undefined) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== value) {
    node.setAttribute(name, value);
  }
}

export function setHidden(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

// Pairs of a description list, by term: made once, written when they change.
export class Facts {
  constructor(list) {
    this.list = list;
    this.values = new Map();
  }

  set(term, text, mood) {
    let value = this.values.get(term);
    if (value === undefined) {
      value = element("dd");
      this.list.append(element("div", {}, element("dt", {}, term), value));
      this.values.set(term, value);
    }
    setText(value, text);
    setAttribute(value, "data-mood", mood);
  }
}
