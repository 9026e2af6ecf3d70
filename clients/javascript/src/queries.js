/** Questions to the gateway. They change nothing, so they are asked again on the next connection, and when there were
 * too many. */

import { QueryError } from './errors.js';

/** Waiting or asked. People page through history one page at a time; this is room for a program. */
const QUERIES = 64;
/** Asked at a time: the answers are large, and messages should not wait behind many of them. */
const AT_ONCE = 4;

export class Queries {
  /** @type {{ ticket: number, query: object, id?: number, asked?: number, notBefore: number }[]} */
  #queries = [];

  /**
   * @param {number} ticket
   * @param {object} query
   */
  push(ticket, query) {
    if (this.#queries.length >= QUERIES) {
      throw new QueryError('full', `${QUERIES} requests for history, groups or receipts wait already`);
    }
    this.#queries.push({ ticket, query, notBefore: 0 });
  }

  /**
   * The next one to write, under this request id.
   * @param {number} now
   * @param {number} id
   */
  next(now, id) {
    const asked = this.#queries.filter((query) => query.asked !== undefined).length;
    const waiting = this.#queries.find((query) => query.asked === undefined && query.notBefore <= now);
    if (!waiting || asked >= AT_ONCE) return undefined;
    waiting.id = id;
    waiting.asked = now;
    return waiting.query;
  }

  /**
   * The ticket of the one that this answers; it is done.
   * @param {number} id the request
   */
  answered(id) {
    const index = this.#queries.findIndex((query) => query.asked !== undefined && query.id === id);
    return index < 0 ? undefined : this.#queries.splice(index, 1)[0]?.ticket;
  }

  /**
   * The request was not taken: again, not before this time.
   * @param {number | undefined} id the request
   * @param {number} notBefore
   * @returns {boolean} whether it is one of these
   */
  again(id, notBefore) {
    const query = this.#queries.find((it) => it.asked !== undefined && it.id === id);
    if (query) Object.assign(query, { asked: undefined, notBefore });
    return query !== undefined;
  }

  disconnected() {
    for (const query of this.#queries) Object.assign(query, { asked: undefined, notBefore: 0 });
  }

  /**
   * When the next one that waits for a time may go.
   * @param {number} now
   */
  deadline(now) {
    const later = this.#queries.filter((query) => query.asked === undefined && query.notBefore > now);
    return Math.min(...later.map((query) => query.notBefore));
  }

  /** When the oldest one without an answer was written. */
  oldestAsked() {
    return Math.min(...this.#queries.map((query) => query.asked ?? Infinity));
  }

  /** Takes out the tickets of all. */
  drain() {
    return this.#queries.splice(0).map((query) => query.ticket);
  }
}
