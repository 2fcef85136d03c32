// Changes on their way to the daemon: the first at once, then a few each second, the last always, and never out of order.

import { nested } from "./schema.js";

const EVERY_MS = 125;

export class Sender {
  #change;
  #waiting = new Map();
  #sending = new Set();
  #urgent = new Set();
  #running = false;
  #last = -EVERY_MS;

  // `change` sends nested settings, and resolves when they hold or were refused.
  constructor(change) {
    this.#change = change;
  }

  set(key, value) {
    this.#waiting.delete(key); // the newest value goes last
    this.#waiting.set(key, value);
    if (!this.#running) this.#run();
  }

  // Settings that only hold together, by themselves and now: nothing else's refusal or slowness holds them back, and what
  // waited to be said of them is not said any more.
  async setNow(values) {
    const keys = (this.#urgent = new Set(values.map(([key]) => key)));
    for (const key of keys) this.#waiting.delete(key);
    await this.#change(nested(values));
    if (this.#urgent === keys) this.#urgent = new Set();
  }

  // Whether what the daemon says of a key may be older than what was asked for.
  pending(key) {
    return this.#waiting.has(key) || this.#sending.has(key) || this.#urgent.has(key);
  }

  async #run() {
    this.#running = true;
    try {
      while (this.#waiting.size) {
        const wait = this.#last + EVERY_MS - performance.now();
        if (wait > 0) await new Promise((done) => setTimeout(done, wait));
        const values = [...this.#waiting];
        this.#waiting.clear();
        this.#sending = new Set(values.map(([key]) => key));
        this.#last = performance.now();
        await this.#change(nested(values));
        this.#sending.clear();
      }
    } finally {
      this.#running = false;
      this.#sending.clear();
    }
  }
}
