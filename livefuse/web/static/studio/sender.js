// Changes on their way to the daemon: the first at once, then a few each second, the last always, and never out of order.

import { nested } from "./schema.js";

const EVERY_MS = 125;

export class Sender {
  #change;
  #waiting = new Map();
  #sending = new Set();
  #running = false;
  #last = -EVERY_MS;

  // `change` sends nested settings, and resolves when they hold or were refused.
  constructor(change) {
    this.#change = change;
  }

  set(key, value) {
    this.setAll([[key, value]]);
  }

  // Settings that only hold together go together.
  setAll(values) {
    for (const [key, value] of values) {
      this.#waiting.delete(key); // the newest value goes last
      this.#waiting.set(key, value);
    }
    if (!this.#running) this.#run();
  }

  // Whether what the daemon says of a key may be older than what was asked for.
  pending(key) {
    return this.#waiting.has(key) || this.#sending.has(key);
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
