// SPDX-License-Identifier: Apache-2.0
// Counters to rates, and rates to the last minutes.

// What a counter has grown by a second. Null when it cannot be told: there is no sample before, no
// time passed, or the counter fell, which it does only when it began anew.
export function rate(before, now, seconds) {
  if (before === undefined || before === null || now === undefined || now === null) return null;
  if (!(seconds > 0) || now < before) return null;
  return (now - before) / seconds;
}

// Counters by key, each with its samples of the last `window` seconds.
export class Counters {
  constructor(window = 10) {
    this.window = window;
    this.samples = new Map();
  }

  // `clock`: seconds that only go forward, of the sample.
  add(key, clock, value) {
    let list = this.samples.get(key);
    if (list === undefined) {
      list = [];
      this.samples.set(key, list);
    }
    const last = list[list.length - 1];
    if (last !== undefined && (clock <= last.clock || value < last.value)) list.length = 0;
    list.push({ clock, value });
    while (list.length > 2 && clock - list[0].clock > this.window) list.shift();
  }

  // Between the last two samples.
  rate(key) {
    const list = this.samples.get(key);
    if (list === undefined || list.length < 2) return null;
    const [before, now] = list.slice(-2);
    return rate(before.value, now.value, now.clock - before.clock);
  }

  // What it grew by over the window.
  growth(key) {
    const list = this.samples.get(key);
    if (list === undefined || list.length < 2) return null;
    return list[list.length - 1].value - list[0].value;
  }

  // Forgets what is no longer counted: names come and go.
  keep(keys) {
    for (const key of this.samples.keys()) if (!keys.has(key)) this.samples.delete(key);
  }

  clear() {
    this.samples.clear();
  }
}

// Columns over time for a chart: the first is the time, in seconds since 1970.
export class History {
  constructor(columns, seconds) {
    this.seconds = seconds;
    this.columns = Array.from({ length: columns + 1 }, () => []);
  }

  add(time, values) {
    const times = this.columns[0];
    if (times.length > 0 && time <= times[times.length - 1]) return;
    times.push(time);
    values.forEach((value, i) => this.columns[i + 1].push(value));
    let old = 0;
    while (times.length - old > 1 && times[old] < time - this.seconds) old += 1;
    if (old > 0) for (const column of this.columns) column.splice(0, old);
  }
}
