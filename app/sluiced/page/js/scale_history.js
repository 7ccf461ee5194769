// SPDX-License-Identifier: Apache-2.0
// One pool's demand, forecast and capacity on one time axis. A forecast stands at the time that it
// speaks of, so that what came can be seen beside it.

export const WINDOW = 900; // s that are shown
const AHEAD = 600; // s at most, of the future

export class ScaleHistory {
  constructor() {
    this.samples = [];
    this.before = [];
    this.now = 0;
    this.ahead = 60;
  }

  // A decision of the past (`time` in seconds since 1970) or the one in force.
  add(time, decision) {
    const last = this.samples[this.samples.length - 1];
    const sample = {
      time,
      demand: decision.demand_per_s,
      capacity: decision.capacity_per_s,
      at: time + decision.horizon_s,
      forecast: decision.forecast_per_s,
      low: decision.forecast_low_per_s,
      high: decision.forecast_high_per_s,
    };
    if (last === undefined || time > last.time) this.samples.push(sample);
    else this.insert(sample);
    this.now = Math.max(this.now, time);
    this.ahead = Math.min(AHEAD, Math.max(30, decision.horizon_s * 1.25));
    while (this.samples.length > 1 && this.samples[0].time < this.now - WINDOW - AHEAD) this.samples.shift();
  }

  // What the demand was before the page was opened: means of `step` seconds each, null where unknown.
  past(from, step, means) {
    this.before = means.map((demand, i) => ({ time: from + i * step, demand }));
    this.before = this.before.filter((one) => one.demand !== null && one.time < this.now);
  }

  insert(sample) {
    const at = this.samples.findIndex((one) => one.time >= sample.time);
    if (this.samples[at].time !== sample.time) this.samples.splice(at, 0, sample);
  }

  range() {
    return [this.now - WINDOW, this.now + this.ahead];
  }

  // [time, demand, capacity, forecast, low, high]: null where nothing is known at that time.
  columns() {
    const rows = new Map();
    const row = (time) => {
      const key = Math.round(time);
      if (!rows.has(key)) rows.set(key, [key, null, null, null, null, null]);
      return rows.get(key);
    };
    for (const one of this.before) if (one.time > this.now - WINDOW) row(one.time)[1] = one.demand;
    for (const sample of this.samples) {
      const now = row(sample.time);
      now[1] = sample.demand;
      now[2] = sample.capacity;
      const then = row(sample.at);
      then[3] = sample.forecast;
      then[4] = sample.low;
      then[5] = sample.high;
    }
    const sorted = [...rows.values()].sort((a, b) => a[0] - b[0]);
    return [0, 1, 2, 3, 4, 5].map((i) => sorted.map((one) => one[i]));
  }
}
