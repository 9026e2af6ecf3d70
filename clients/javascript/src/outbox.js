/** What goes out: sends in the order of the application, each until it has an answer. */

/**
 * @typedef {object} Entry
 * @property {string} ref
 * @property {import('./protocol.js').Recipient} to
 * @property {import('./protocol.js').Content} content
 * @property {number} failures temporary ones, so far
 * @property {number} [firstLeft] when it first left, which starts the lifetime of its reference
 * @property {{ id: number, since: number }} [flight] written on the connection that is open now
 * @property {number} notBefore
 */

export class Outbox {
  /** @type {Entry[]} */
  #entries = [];
  /** The gateway takes nothing more of this user until then, whoever it is for. */
  #pausedUntil = 0;

  /** @param {number} capacity */
  constructor(capacity) {
    this.capacity = capacity;
  }

  get size() {
    return this.#entries.length;
  }

  /**
   * @param {Pick<Entry, 'ref' | 'to' | 'content'>} send
   * @returns {'full' | 'reference_in_use' | undefined} why it was not taken in
   */
  push(send) {
    if (this.find(send.ref)) return 'reference_in_use';
    if (this.#entries.length >= this.capacity) return 'full';
    this.#entries.push({ ...send, failures: 0, notBefore: 0 });
    return undefined;
  }

  /** @param {string} ref */
  find(ref) {
    return this.#entries.find((entry) => entry.ref === ref);
  }

  /** @param {number} id the request */
  inFlight(id) {
    return this.#entries.find((entry) => entry.flight?.id === id);
  }

  /**
   * Marks the next send that may be written as in flight, and returns it. A recipient that has to wait
   * holds nobody else up. A send that failed goes again only when those after it have their answers too:
   * they fail with it, and then all go again in order.
   * @param {number} now
   * @param {number} id the request under which it will be written
   * @param {number} window
   */
  next(now, id, window) {
    if (now < this.#pausedUntil) return undefined;
    if (this.#entries.filter((entry) => entry.flight).length >= Math.max(window, 1)) return undefined;
    const held = new Set();
    for (const [index, entry] of this.#entries.entries()) {
      const to = lane(entry.to);
      if (entry.flight || held.has(to)) continue;
      const overtaken = entry.failures > 0 && this.#inFlightAfter(index, to);
      if (entry.notBefore <= now && !overtaken) {
        entry.flight = { id, since: now };
        entry.firstLeft ??= now;
        return entry;
      }
      held.add(to);
    }
    return undefined;
  }

  /**
   * @param {number} index
   * @param {string} to
   */
  #inFlightAfter(index, to) {
    return this.#entries.slice(index + 1).some((entry) => entry.flight && lane(entry.to) === to);
  }

  /** @param {string} ref */
  remove(ref) {
    const index = this.#entries.findIndex((entry) => entry.ref === ref);
    return index < 0 ? undefined : this.#entries.splice(index, 1)[0];
  }

  /**
   * It failed and may succeed later.
   * @param {Entry} entry
   * @param {number} notBefore
   */
  again(entry, notBefore) {
    entry.flight = undefined;
    entry.failures += 1;
    entry.notBefore = notBefore;
  }

  /**
   * Nothing leaves before this time.
   * @param {number} until
   */
  pause(until) {
    this.#pausedUntil = Math.max(this.#pausedUntil, until);
  }

  /** The connection ended: what was in flight has an unknown outcome and goes again, in order. */
  disconnected() {
    this.#pausedUntil = 0;
    for (const entry of this.#entries) {
      if (entry.flight) entry.notBefore = 0;
      entry.flight = undefined;
    }
  }

  /**
   * Takes out the sends whose references the servers may have forgotten.
   * @param {number} now
   * @param {number} lifetime
   */
  expired(now, lifetime) {
    const old = (/** @type {Entry} */ entry) =>
      entry.firstLeft !== undefined && now - entry.firstLeft >= lifetime;
    const expired = this.#entries.filter(old);
    this.#entries = this.#entries.filter((entry) => !old(entry));
    return expired;
  }

  /** When the oldest send in flight was written. */
  oldestInFlight() {
    return Math.min(...this.#entries.map((entry) => entry.flight?.since ?? Infinity));
  }

  /**
   * When the next send that waits for a time may go.
   * @param {number} now
   */
  deadline(now) {
    const waits = this.#entries.filter((entry) => !entry.flight);
    const times = waits.map((entry) => Math.max(entry.notBefore, this.#pausedUntil));
    return Math.min(...times.filter((at) => at > now), Infinity);
  }

  drain() {
    return this.#entries.splice(0);
  }
}

/**
 * What keeps its order: each recipient by itself.
 * @param {import('./protocol.js').Recipient} to
 */
function lane(to) {
  return 'group' in to ? `group ${to.group}` : `user ${to.user}`;
}
