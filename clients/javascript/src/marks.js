/** How far the user has read: a mark per conversation, sent until it has an answer. A newer mark takes the place
 * of an older one, so there are never more than the conversations that the application has. */

import { highest } from './ids.js';

/** Under way at a time where no gateway tells. */
const AT_ONCE = 16;

/**
 * @typedef {object} Mark
 * @property {string} upTo
 * @property {number} failures temporary ones so far
 * @property {number} notBefore when it may be written
 * @property {{ id: number, since: number, upTo: string }} [flight] on the connection that is open now
 */

export class Marks {
  /** @type {Map<string, Mark>} */
  #marks = new Map();

  /**
   * The user has read so far; a lower mark than one that waits changes nothing.
   * @param {string} conversation
   * @param {string} upTo
   */
  set(conversation, upTo) {
    const mark = this.#marks.get(conversation) ?? { upTo, failures: 0, notBefore: 0 };
    mark.upTo = highest(mark.upTo, upTo);
    this.#marks.set(conversation, mark);
  }

  /**
   * The next one to write, under this request id.
   * @param {number} now
   * @param {number} id
   * @param {number} [atOnce]
   */
  next(now, id, atOnce = AT_ONCE) {
    const marks = [...this.#marks];
    if (marks.filter(([, mark]) => mark.flight).length >= atOnce) return undefined;
    const [conversation, mark] = marks.find(([, it]) => !it.flight && it.notBefore <= now) ?? [];
    if (!mark) return undefined;
    mark.flight = { id, since: now, upTo: mark.upTo };
    return { conversation, up_to: mark.upTo };
  }

  /**
   * The request has its answer: the mark is stored, or refused for good. One that was raised meanwhile is
   * sent again.
   * @param {number} id
   */
  answered(id) {
    const [conversation, mark] = this.#of(id);
    if (conversation === undefined || !mark) return;
    if (mark.flight?.upTo === mark.upTo) this.#marks.delete(conversation);
    mark.flight = undefined;
  }

  /**
   * The mark that this request is for.
   * @param {number | undefined} id
   */
  find(id) {
    return id === undefined ? undefined : this.#of(id)[1];
  }

  /**
   * It failed and may succeed later.
   * @param {Mark} mark
   * @param {number} notBefore
   */
  again(mark, notBefore) {
    mark.failures += 1;
    mark.notBefore = notBefore;
    mark.flight = undefined;
  }

  /** The connection ended: what has no answer goes again. */
  disconnected() {
    for (const mark of this.#marks.values()) {
      if (mark.flight) mark.notBefore = 0;
      mark.flight = undefined;
    }
  }

  /** When the oldest one that is under way was written. */
  oldestAsked() {
    return Math.min(...[...this.#marks.values()].map((mark) => mark.flight?.since ?? Infinity));
  }

  /**
   * When the next one that waits for a time may go.
   * @param {number} now
   */
  deadline(now) {
    const later = [...this.#marks.values()].filter((mark) => !mark.flight && mark.notBefore > now);
    return Math.min(...later.map((mark) => mark.notBefore));
  }

  /** @param {number} id */
  #of(id) {
    return [...this.#marks].find(([, mark]) => mark.flight?.id === id) ?? [];
  }
}
