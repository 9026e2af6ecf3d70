/**
 * A fresh token for an open session, once the gateway says that the one it has expires soon. One attempt at
 * a time; what fails is tried again with back-off, until it works or the session ends.
 *
 * Times are milliseconds of a clock that never goes back, but for `expires`, which is the server's.
 */

import { ceiling, jitter } from './backoff.js';

/** How long the application may take to get a token; as long as it may for a connection. */
const TOKEN_WITHIN = 15_000;

/**
 * The token lasts; the application is asked for another one; the gateway is asked to go on with it; that
 * failed, and it begins again at `until`.
 * @typedef {{ is: 'rest' } | { is: 'fetching', until: number } | { is: 'asking', id: number, since: number }
 *   | { is: 'waiting', until: number }} Step
 */

export class Renewal {
  /** @type {Step} */
  #step = { is: 'rest' };
  #failures = 0;

  /**
   * @param {number | undefined} expires when the session's first token does
   * @param {{ backoff: import('./backoff.js').Backoff, random: () => number }} options
   */
  constructor(expires, { backoff, random }) {
    this.expires = expires;
    this.backoff = backoff;
    this.random = random;
  }

  /**
   * The gateway says that the token expires soon.
   * @param {number} now
   * @returns {boolean} whether another one is to be had
   */
  expiring(now) {
    return this.#step.is === 'rest' && this.#fetch(now);
  }

  /**
   * Time has passed.
   * @param {number} now
   * @returns {boolean} whether another token is to be had
   */
  tick(now) {
    if (now < this.deadline()) return false;
    if (this.#step.is === 'waiting') return this.#fetch(now);
    this.#tryLater(now, 0);
    return false;
  }

  /** When `tick` has something to do. */
  deadline() {
    return 'until' in this.#step ? this.#step.until : Infinity;
  }

  /** When the request was written that has no answer yet. */
  asked() {
    return this.#step.is === 'asking' ? this.#step.since : Infinity;
  }

  /**
   * The application has a token, or has none.
   * @param {number} now
   * @param {number} id of the request that hands it in
   * @param {string | undefined} token
   * @returns {boolean} whether that is to be written
   */
  had(now, id, token) {
    if (this.#step.is !== 'fetching') return false;
    if (token === undefined) this.#tryLater(now, 0);
    else this.#step = { is: 'asking', id, since: now };
    return token !== undefined;
  }

  /**
   * The gateway goes on with a token. A source that gave the same one again has to be asked again.
   * @param {number} now
   * @param {{ id: number, expires?: number }} answer
   */
  refreshed(now, { id, expires }) {
    if (!this.#isAnswer(id)) return;
    const before = this.expires;
    this.expires = expires;
    if (expires !== undefined && before !== undefined && expires <= before) return this.#tryLater(now, 0);
    this.#step = { is: 'rest' };
    this.#failures = 0;
  }

  /**
   * @param {number} now
   * @param {number | undefined} id the request that was refused
   * @param {number} asked how long the gateway asked to wait
   * @returns {boolean} whether it was this one's
   */
  refused(now, id, asked) {
    const mine = this.#isAnswer(id);
    if (mine) this.#tryLater(now, asked);
    return mine;
  }

  /** @param {number | undefined} id */
  #isAnswer(id) {
    return this.#step.is === 'asking' && this.#step.id === id;
  }

  /** @param {number} now */
  #fetch(now) {
    this.#step = { is: 'fetching', until: now + TOKEN_WITHIN };
    return true;
  }

  /**
   * @param {number} now
   * @param {number} asked
   */
  #tryLater(now, asked) {
    const most = ceiling(this.backoff, this.#failures);
    this.#failures += 1;
    this.#step = { is: 'waiting', until: now + jitter(this.random, most, asked) };
  }
}
