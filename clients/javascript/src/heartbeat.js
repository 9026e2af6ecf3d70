/** Is the other side still there? When to ask, and when to give up. Milliseconds. */

const ANSWER_WITHIN = 10_000;
/** Below, pings would be a flood; above, a dead connection would stay unnoticed for too long. */
const SANE = { least: 1_000, most: 300_000 };

export class Heartbeat {
  /** @type {number | undefined} when the ping left that nothing was heard after */
  #asked;

  /**
   * @param {number} every
   * @param {number} now
   */
  constructor(every, now) {
    this.every = Math.min(Math.max(every, SANE.least), SANE.most);
    this.sentAt = now;
    this.heardAt = now;
  }

  /** @param {number} now */
  sent(now) {
    this.sentAt = now;
  }

  /** @param {number} now */
  heard(now) {
    this.heardAt = now;
    this.#asked = undefined;
  }

  /** @param {number} now */
  asked(now) {
    this.sentAt = now;
    this.#asked ??= now;
  }

  /** Silence of either direction is a reason to ask: a client that only sends must notice too. */
  deadline() {
    if (this.#asked !== undefined) return this.#asked + ANSWER_WITHIN;
    return Math.min(this.sentAt, this.heardAt) + this.every;
  }

  /**
   * @param {number} now
   * @returns {'wait' | 'ask' | 'dead'}
   */
  beat(now) {
    if (now < this.deadline()) return 'wait';
    return this.#asked === undefined ? 'ask' : 'dead';
  }
}
