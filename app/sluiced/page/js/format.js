// SPDX-License-Identifier: Apache-2.0
// Numbers and times as an operator reads them. Everything here is a function of its arguments; null,
// undefined and what is no number are "–": not known.

export const UNKNOWN = "–";
const STEPS = ["", "k", "M", "G", "T", "P", "E"];

function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}

// 1234567 is "1,234,567": counts that are compared with other programs' are exact.
export function count(value) {
  return known(value) ? Math.round(value).toLocaleString("en-US") : UNKNOWN;
}

// Three digits that count and a prefix: 0.42, 9.87, 12.3 k, 1.2 M.
export function short(value, unit = "") {
  if (!known(value)) return UNKNOWN;
  let size = Math.abs(value);
  let step = 0;
  // 999.5 would be written as 1000.
  while (size >= 999.5 && step < STEPS.length - 1) {
    size /= 1000;
    step += 1;
  }
  const digits = size >= 99.95 || (step === 0 && Number.isInteger(size)) ? 0 : size >= 9.995 ? 1 : 2;
  const suffix = STEPS[step] + unit;
  const space = suffix === "" || suffix.startsWith("/") ? "" : " ";
  return (value < 0 ? "−" : "") + size.toFixed(digits) + space + suffix;
}

// The same for an axis, whose values are round: 4 k, 0.5.
export function round(value) {
  return short(value).replace(/\.(\d*?)0+(?= |$)/, (all, digits) => (digits === "" ? "" : "." + digits));
}

export function percent(share, digits = 1) {
  return known(share) ? (100 * share).toFixed(digits) + " %" : UNKNOWN;
}

export function fixed(value, digits) {
  return known(value) ? value.toFixed(digits) : UNKNOWN;
}

export function milliseconds(value) {
  if (!known(value)) return UNKNOWN;
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0) + " ms";
}

// 61 is "1 min 1 s": the two largest units that matter.
export function duration(seconds) {
  if (!known(seconds)) return UNKNOWN;
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min " + (s % 60) + " s";
  if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min";
  return Math.floor(s / 86400) + " d " + Math.floor((s % 86400) / 3600) + " h";
}

function two(value) {
  return String(value).padStart(2, "0");
}

// A moment on the clock of whoever reads; with the day when it is another one.
export function moment(time, now = new Date()) {
  const at = time instanceof Date ? time : new Date(time);
  if (Number.isNaN(at.getTime())) return UNKNOWN;
  const clock = two(at.getHours()) + ":" + two(at.getMinutes()) + ":" + two(at.getSeconds());
  if (at.toDateString() === now.toDateString()) return clock;
  return at.getFullYear() + "-" + two(at.getMonth() + 1) + "-" + two(at.getDate()) + " " + clock;
}

// One of them, or several: plural(1, "backend"), plural(3, "backend").
export function plural(number, word) {
  return count(number) + " " + word + (number === 1 ? "" : "s");
}

// "gpu-1, gpu-2 and 7 more"
export function some(names, most = 3) {
  if (names.length <= most) return names.join(", ");
  return names.slice(0, most).join(", ") + " and " + (names.length - most) + " more";
}
