// SPDX-License-Identifier: Apache-2.0
// Asks again and again while the page is looked at: each second while answers come, ever more seldom
// while none does, and at once when the page is looked at again.

const INTERVAL = 1000; // ms
const LONGEST = 8000; // between two tries while nothing answers
const PATIENCE = 5000; // for one answer
export const STALE_AFTER = 2500; // without an answer what is shown is old

async function fetchJson(path, signal) {
  const response = await fetch(path, { signal, cache: "no-store", headers: { Accept: "application/json" } });
  if (!response.ok) {
    const error = new Error("answer " + response.status + " " + response.statusText);
    error.pause = 1000 * (Number(response.headers.get("Retry-After")) || 0);
    throw error;
  }
  return response.json();
}

// One answer, or an error within PATIENCE.
export function ask(path) {
  return fetchJson(path, AbortSignal.timeout(PATIENCE));
}

export class Poll {
  // path(): what to ask for; good(answer); stale(since, why): no answer since that Date.
  constructor({ path, good, stale }) {
    this.path = path;
    this.good = good;
    this.stale = stale;
    this.failures = 0;
    this.why = "the daemon does not answer";
    this.last = new Date(); // the page itself is an answer
    this.heard = performance.now();
    this.timer = undefined;
    this.request = undefined;
  }

  start() {
    document.addEventListener("visibilitychange", () => this.look());
    setInterval(() => this.age(), 250);
    this.turn();
  }

  look() {
    clearTimeout(this.timer);
    if (document.hidden) {
      this.request?.abort();
      return;
    }
    this.failures = 0;
    this.heard = Math.max(this.heard, performance.now() - STALE_AFTER / 2); // nobody asked meanwhile
    this.turn();
  }

  age() {
    if (!document.hidden && performance.now() - this.heard > STALE_AFTER) this.stale(this.last, this.why);
  }

  async turn() {
    this.request?.abort();
    const request = new AbortController();
    this.request = request;
    const began = performance.now();
    let answer;
    let wished = 0; // by a daemon that has been asked too much
    const late = setTimeout(() => request.abort(), PATIENCE);
    try {
      answer = await fetchJson(this.path(), request.signal);
      this.good(answer);
      this.failures = 0;
      this.heard = performance.now();
      this.last = new Date();
    } catch (error) {
      if (request !== this.request) return; // another turn has begun
      this.failures += 1;
      wished = error.pause ?? 0;
      if (answer !== undefined) {
        this.why = "the page does not understand the answer (" + error.message + ")";
        console.error(error);
      } else {
        const what = request.signal.aborted ? "nothing in " + PATIENCE / 1000 + " s" : error.message;
        this.why = "the daemon does not answer (" + what + ")";
      }
    } finally {
      clearTimeout(late);
    }
    if (document.hidden || request !== this.request) return;
    const pause = Math.max(wished, Math.min(LONGEST, INTERVAL * 2 ** Math.max(0, this.failures - 1)));
    this.timer = setTimeout(() => this.turn(), Math.max(50, began + pause - performance.now()));
  }
}
