// SPDX-License-Identifier: Apache-2.0
// A chart over time. A line of text beside it says what the lines are and how much they are, now or
// under the cursor: it is the chart for whoever cannot see it.
import { element, setAttribute, setText } from "./dom.js";
import { moment, round } from "./format.js";
import { colour, onTheme } from "./theme.js";

const GRID = 1;

function axis(extra) {
  return {
    stroke: colour("muted"),
    font: "12px system-ui, sans-serif",
    grid: { stroke: colour("line"), width: GRID },
    ticks: { show: false },
    ...extra,
  };
}

// Marks on the time axis: a triangle up or down and a thin line through the chart; and what is to come, shaded.
function marksPlugin(marks, now) {
  function draw(plot) {
    const { ctx, bbox } = plot;
    const unit = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    const present = plot.valToPos(now(), "x", true);
    ctx.fillStyle = colour("future");
    ctx.fillRect(present, bbox.top, bbox.left + bbox.width - present, bbox.height);
    for (const mark of marks()) {
      const x = Math.round(plot.valToPos(mark.time, "x", true));
      const y = bbox.top + 2 * unit;
      const way = mark.up ? 1 : -1;
      const middle = y + 5 * unit;
      ctx.strokeStyle = ctx.fillStyle = colour("mark");
      ctx.globalAlpha = 0.45;
      ctx.lineWidth = unit;
      ctx.setLineDash([2 * unit, 3 * unit]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.globalAlpha = 1;
      ctx.beginPath();
      ctx.moveTo(x, middle - way * 5 * unit);
      ctx.lineTo(x + 5 * unit, middle + way * 4 * unit);
      ctx.lineTo(x - 5 * unit, middle + way * 4 * unit);
      ctx.fill();
    }
    ctx.restore();
  }
  return { hooks: { draw } };
}

export class Chart {
  // series: [{label, colour, text(value), width, dash, stepped, hidden: no word of it}];
  // bands: pairs of series; range(): [from, to] in seconds since 1970; marks(): decisions; now(): where the future begins.
  constructor(place, { title, series, bands = [], height = 150, text, range, marks, now }) {
    Object.assign(this, { series, bands, height, text, range, marks, now });
    this.data = null;
    this.words = element("p", { class: "legend" });
    this.values = series.map((one) => this.word(one));
    this.time = element("span", { class: "when" });
    this.words.append(this.time);
    this.canvas = element("div", { class: "canvas", role: "img", "aria-label": title });
    place.append(
      element("figure", {}, element("figcaption", {}, element("h3", {}, title), this.words), this.canvas),
    );
    this.title = title;
    this.plot = null;
    onTheme(() => this.rebuild());
    new ResizeObserver(() => this.resize()).observe(this.canvas);
  }

  word(one) {
    if (one.hidden) return null;
    const value = element("span", { class: "value" });
    const key = element("span", { class: one.dash ? "key dashed" : "key", "aria-hidden": "true" });
    key.style.setProperty("--key", "var(--" + one.colour + ")");
    this.words.append(element("span", { class: "entry" }, key, one.label + " ", value));
    return value;
  }

  options() {
    const paths = (one) => (one.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined);
    return {
      width: Math.max(100, this.canvas.clientWidth),
      height: this.height,
      padding: [8, 10, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 }, sync: { key: "time" } },
      scales: {
        x: { time: true, range: () => this.range() },
        y: { range: (plot, low, high) => [0, high > 0 ? high * 1.1 : 1] },
      },
      axes: [
        axis({
          size: 28,
          gap: 7,
          space: 70,
          incrs: [60, 120, 300, 600, 900, 1800, 3600],
          values: (plot, ticks) => ticks.map((tick) => moment(new Date(tick * 1000)).slice(-8, -3)),
        }),
        axis({ size: 52, gap: 4, space: 28, values: (plot, ticks) => ticks.map(round) }),
      ],
      series: [
        {},
        ...this.series.map((one) => ({
          label: one.label,
          stroke: one.colour === undefined ? "transparent" : colour(one.colour),
          width: one.width ?? 1.75,
          dash: one.dash,
          fill: one.fill === undefined ? undefined : colour(one.fill),
          points: { show: false },
          spanGaps: one.span ?? false,
          paths: paths(one),
        })),
      ],
      bands: this.bands.map((band) => ({ series: band.series, fill: colour(band.fill) })),
      plugins: this.marks === undefined ? [] : [marksPlugin(this.marks, this.now)],
      hooks: { setCursor: [() => this.tell()] },
    };
  }

  rebuild() {
    if (this.data === null) return;
    this.plot?.destroy();
    this.plot = new uPlot(this.options(), this.data, this.canvas);
  }

  resize() {
    const width = this.canvas.clientWidth;
    if (this.plot !== null && width > 0 && width !== this.plot.width)
      this.plot.setSize({ width, height: this.height });
  }

  show(data) {
    this.data = data;
    if (this.plot === null) this.rebuild();
    else this.plot.setData(data);
    this.tell();
  }

  // The values under the cursor, else the last that there are.
  tell() {
    const at = this.plot?.cursor.idx ?? null;
    const said = [];
    this.series.forEach((one, i) => {
      if (this.values[i] === null) return;
      const column = this.data[i + 1];
      const value = at === null ? this.latest(column, one) : column[at];
      const text = this.text(value ?? null);
      setText(this.values[i], text);
      said.push(one.label + " " + text);
    });
    setText(this.time, at === null ? "" : "at " + moment(new Date(this.data[0][at] * 1000)));
    if (at === null) setAttribute(this.canvas, "aria-label", this.title + ": now " + said.join(", "));
  }

  // Where lines end at different times: each one's own end.
  latest(column, one) {
    return (one.span ? column.findLast((value) => value !== null) : column[column.length - 1]) ?? null;
  }
}
