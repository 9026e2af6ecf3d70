/** What came in: shown once, acknowledged after the application took it. */

/** Taken keys that are remembered: many windows of pushes. */
const TAKEN = 8192;
/** Acks that wait for a connection; one more is dropped, and made again when the message comes again. */
const DUE = 8192;
/** Ids kept per message that was not taken yet; further copies stay in the inbox and come again. */
const COPIES = 16;

/** One kind of push: messages by their identity, receipts by their id. */
export class Seen {
  /** @type {Map<string, string[]>} shown and not taken: every id under which it came */
  #open = new Map();
  /** @type {Map<string, string>} taken, the oldest first */
  #taken = new Map();
  /** @type {string[]} */
  #due = [];

  /** @param {(id: string) => string} key what copies share */
  constructor(key) {
    this.key = key;
  }

  /**
   * A push came. True if the application has not been shown it yet.
   * @param {string} id
   */
  arrived(id) {
    const key = this.key(id);
    if (this.#taken.has(key)) {
      this.#owe(id);
      return false;
    }
    const copies = this.#open.get(key);
    if (copies === undefined) {
      this.#open.set(key, [id]);
      return true;
    }
    if (!copies.includes(id) && copies.length < COPIES) copies.push(id);
    return false;
  }

  /**
   * The application took it: every copy is owed an ack.
   * @param {string} id
   */
  take(id) {
    const key = this.key(id);
    for (const copy of this.#open.get(key) ?? [id]) this.#owe(copy);
    this.#open.delete(key);
    this.remember(id);
  }

  /**
   * The application did not take it: the next copy is shown again.
   * @param {string} id
   */
  forget(id) {
    this.#open.delete(this.key(id));
  }

  /** @param {string} id */
  remember(id) {
    this.#taken.set(this.key(id), id);
    if (this.#taken.size > TAKEN) {
      const [oldest] = this.#taken.keys();
      if (oldest !== undefined) this.#taken.delete(oldest);
    }
  }

  /** @param {number} most */
  nextAcks(most) {
    return this.#due.splice(0, most);
  }

  get due() {
    return this.#due.length;
  }

  /**
   * Taken last, the newest at the end.
   * @param {number} most
   */
  recent(most) {
    return [...this.#taken.values()].slice(-most);
  }

  /** @param {string} id */
  #owe(id) {
    if (this.#due.length < DUE) this.#due.push(id);
  }
}
