// SPDX-License-Identifier: Apache-2.0
// Light, dark, or what the system says. The choice is the only thing that this page remembers.
import { byId, setAttribute, setText } from "./dom.js";

const CHOICES = ["auto", "light", "dark"];
const NAMES = { auto: "as the system", light: "light", dark: "dark" };
const KEY = "sluice-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const followers = [];

function read() {
  try {
    const kept = localStorage.getItem(KEY);
    return CHOICES.includes(kept) ? kept : "auto";
  } catch {
    return "auto"; // storage may be forbidden
  }
}

function write(choice) {
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    // It lasts until the page is loaded again.
  }
}

let choice = read();

function apply() {
  const isDark = choice === "dark" || (choice === "auto" && dark.matches);
  setAttribute(document.documentElement, "data-theme", isDark ? "dark" : "light");
  setText(byId("theme"), "Colours: " + NAMES[choice]);
  for (const follower of followers) follower();
}

export function startTheme() {
  byId("theme").addEventListener("click", () => {
    choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
    write(choice);
    apply();
  });
  dark.addEventListener("change", apply);
  apply();
}

// Charts are painted, not styled: they follow by themselves.
export function onTheme(follower) {
  followers.push(follower);
}

export function colour(name) {
  return getComputedStyle(document.documentElement)
    .getPropertyValue("--" + name)
    .trim();
}
