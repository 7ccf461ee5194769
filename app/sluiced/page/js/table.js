// SPDX-License-Identifier: Apache-2.0
// A table that is told its rows again and again: rows are kept by key, and only cells whose content
// has changed are written.
import { element, setAttribute, setHidden, setText } from "./dom.js";

const LONG = 15; // rows: more scroll in a window of their own
const LONG_NAME = 24; // letters
const MANY = 6; // columns: more become cards on a window that is not wide, fewer on a narrow one
const NOT_WIDE = matchMedia("(max-width: 1000px)");
const NARROW = matchMedia("(max-width: 640px)");

function compare(a, b) {
  if (a === b) return 0;
  // What is not known comes last, whichever way the table is sorted.
  if (a === null || a === undefined) return 2;
  if (b === null || b === undefined) return -2;
  if (typeof a === "number" && typeof b === "number") return a < b ? -1 : 1;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

// A column: {id, title, about, number: true for right-aligned, head: true for the row's name,
//   wide: may break lines, broad: has two places on a card, first: stands beside its name; text(row): what a plain cell says; or make(cell) once and show(cell, row) each time,
//   value(row): what to sort by; absent: the column cannot be sorted}.
export class Table {
  constructor(place, { caption, columns, key, empty, sort = null, ascending = true }) {
    this.columns = columns;
    this.key = key;
    this.sort = sort;
    this.ascending = ascending;
    this.rows = new Map();
    this.data = [];
    this.body = element("tbody", { role: "rowgroup" });
    this.heads = new Map();
    const heads = element("tr", { role: "row" }, ...columns.map((column) => this.head(column)));
    this.table = element(
      "table",
      { role: "table" },
      element("caption", { class: "unseen" }, caption),
      element("thead", { role: "rowgroup" }, heads),
      this.body,
    );
    this.note = element("p", { class: "empty" }, empty);
    // Long tables scroll by themselves, by keyboard too.
    this.region = element(
      "div",
      { class: "scroll", role: "region", "aria-label": caption, tabindex: "0" },
      this.table,
    );
    place.append(this.region, this.note);
    const size = columns.length > MANY ? NOT_WIDE : NARROW;
    const follow = () => this.region.classList.toggle("cards", size.matches);
    size.addEventListener("change", follow);
    follow();
    setHidden(this.region, true);
    setHidden(this.note, true); // until it is known that there is nothing
    this.mark();
  }

  head(column) {
    const cell = element("th", { scope: "col", role: "columnheader", title: column.about });
    if (column.number) cell.className = "number";
    if (column.value === undefined) {
      cell.textContent = column.title;
      cell.classList.add("plain");
    } else {
      const button = element(
        "button",
        { type: "button" },
        column.title,
        element("span", { class: "arrow", "aria-hidden": "true" }),
      );
      button.addEventListener("click", () => this.sortBy(column.id));
      cell.append(button);
      this.heads.set(column.id, cell);
    }
    return cell;
  }

  sortBy(id) {
    this.ascending = this.sort === id ? !this.ascending : !this.columns.find((c) => c.id === id).number;
    this.sort = id;
    this.mark();
    this.order();
  }

  mark() {
    for (const [id, cell] of this.heads)
      setAttribute(
        cell,
        "aria-sort",
        id !== this.sort ? "none" : this.ascending ? "ascending" : "descending",
      );
  }

  // All rows that there are now, in the daemon's order.
  update(data) {
    const left = new Set(this.rows.keys());
    data.forEach((row, i) => {
      const key = this.key(row);
      let kept = this.rows.get(key);
      if (kept === undefined) {
        kept = this.make();
        this.rows.set(key, kept);
      }
      left.delete(key);
      kept.data = row;
      kept.place = i;
      this.write(kept);
    });
    for (const key of left) {
      this.rows.get(key).node.remove();
      this.rows.delete(key);
    }
    this.region.classList.toggle("long", data.length > LONG);
    setHidden(this.region, data.length === 0);
    setHidden(this.note, data.length !== 0);
    this.order();
  }

  make() {
    const node = element("tr", { role: "row" });
    const cells = this.columns.map((column) => {
      const cell = column.head
        ? element("th", { scope: "row", role: "rowheader" })
        : element("td", { role: "cell" });
      cell.dataset.label = column.title;
      if (column.number) cell.className = "number";
      if (column.wide) cell.classList.add("wide");
      if (column.broad) cell.classList.add("broad");
      if (column.first) cell.classList.add("first");
      if (column.make !== undefined) column.make(cell);
      node.append(cell);
      return cell;
    });
    return { node, cells };
  }

  write(kept) {
    this.columns.forEach((column, i) => {
      if (column.show !== undefined) column.show(kept.cells[i], kept.data);
      else this.say(column, kept.cells[i], column.text(kept.data));
    });
  }

  // A name may be too long for its column: it is whole where one points at it.
  say(column, cell, text) {
    setText(cell, text);
    if (column.head) setAttribute(cell, "title", text.length > LONG_NAME ? text : null);
  }

  // Rows that stand where they should are not moved: a reader's place and the focus stay.
  order() {
    const column = this.columns.find((c) => c.id === this.sort);
    const list = [...this.rows.values()];
    if (column === undefined) {
      list.sort((a, b) => a.place - b.place);
    } else {
      for (const kept of list) kept.value = column.value(kept.data);
      const way = this.ascending ? 1 : -1;
      list.sort((a, b) => {
        const order = compare(a.value, b.value);
        return (Math.abs(order) === 2 ? order : way * order) || a.place - b.place;
      });
    }
    let at = this.body.firstChild;
    for (const kept of list) {
      if (kept.node === at) at = at.nextSibling;
      else this.body.insertBefore(kept.node, at);
    }
  }

  // Shows only rows that `wanted` says yes to; returns how many.
  filter(wanted) {
    let shown = 0;
    for (const kept of this.rows.values()) {
      const yes = wanted(kept.data);
      setHidden(kept.node, !yes);
      if (yes) shown += 1;
    }
    return shown;
  }
}
