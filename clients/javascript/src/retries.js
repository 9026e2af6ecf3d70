/** Which endpoint is next, and how long to wait before it is dialled. */

import { ceiling, jitter } from './backoff.js';

export class Retries {
  #next = 0;
  #failures = 0;

  /** @param {{ endpoints: string[], backoff: import('./backoff.js').Backoff, random: () => number }} options */
  constructor({ endpoints, backoff, random }) {
    this.endpoints = endpoints;
    this.backoff = backoff;
    this.random = random;
  }

  get endpoint() {
    return /** @type {string} */ (this.endpoints[this.#next]);
  }

  /**
   * A connection ended, or did not come about: the next endpoint's turn. Every endpoint is tried once under
   * the same ceiling before it doubles. A gateway that takes sessions only to end them does not make the
   * client spin: only the first loss is followed at once.
   * @param {object} loss
   * @param {boolean} loss.steady the session had lasted
   * @param {boolean} loss.atOnce the gateway wants the client elsewhere
   * @param {number} loss.asked how long the gateway asked to wait
   * @returns {number} milliseconds to wait
   */
  lost({ steady, atOnce, asked }) {
    this.#failures = steady ? 0 : this.#failures + 1;
    this.#next = (this.#next + 1) % this.endpoints.length;
    const round = Math.floor(Math.max(this.#failures - 1, 0) / this.endpoints.length);
    const most = atOnce && this.#failures <= 1 ? 0 : ceiling(this.backoff, round);
    return jitter(this.random, most, asked);
  }
}
