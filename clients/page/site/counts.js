/** Who has received and read what this user has said last in the group that is open. Nobody in a group sends
 * receipts, so the gateway is asked: at once, and again and again for as long as it is shown and not read by all. */

const EVERY = 5000; // milliseconds

export class Counts {
  #ask;
  /** @type {string | undefined} */
  #shown;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #next;

  /** @param {(message: string) => Promise<void>} ask */
  constructor(ask) {
    this.#ask = ask;
  }

  /**
   * This message is shown, and its counts may rise; or none is.
   * @param {string | undefined} message
   */
  look(message) {
    if (message === this.#shown) return;
    clearTimeout(this.#next);
    this.#shown = message;
    if (message !== undefined) void this.#asked(message);
  }

  /** @param {string} message */
  async #asked(message) {
    try {
      await this.#ask(message);
    } catch (error) {
      console.warn(`who has read ${message}`, error);
    }
    if (message === this.#shown) this.#next = setTimeout(() => void this.#asked(message), EVERY);
  }
}
