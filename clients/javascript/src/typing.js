/** That the user is typing. The application says so with every key; a gateway is told as often as it passes it
 * on. Nothing is kept for later: without a session nobody is told. */

/** How often the same is told, for how long it is shown, and to how many users at a time. */
const EVERY = 3_000;
const LIFETIME = 6_000;
const RECIPIENTS = 8;

/** Of one session. */
export class Typing {
  /** To whom the user was typing, and when they were told last. @type {Map<string, number>} */
  #told = new Map();
  /** @type {number | undefined} */
  #request;
  #unknown = false;

  /**
   * Whether this is news, to be told under this request id.
   * @param {number} now
   * @param {number} id
   * @param {string} to
   * @param {boolean} active
   */
  isNews(now, id, to, active) {
    for (const [user, at] of this.#told) if (now >= at + LIFETIME) this.#told.delete(user);
    if (this.#unknown) return false;
    const told = this.#told.get(to);
    if (!active) {
      if (!this.#told.delete(to)) return false;
    } else {
      if (told === undefined ? this.#told.size >= RECIPIENTS : now < told + EVERY) return false;
      this.#told.set(to, now);
    }
    this.#request = id;
    return true;
  }

  /**
   * A message says by itself that the typing is over.
   * @param {string} to
   */
  sent(to) {
    this.#told.delete(to);
  }

  /**
   * Whether an error is about a `typing`, which nobody waits for. A gateway that does not know the frame
   * refuses it, and is told no more.
   * @param {number | undefined} id
   */
  refused(id) {
    if (id === undefined || id !== this.#request) return false;
    this.#unknown = true;
    return true;
  }
}
