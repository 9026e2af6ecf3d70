/** What the application has not taken yet, in order, and what waits no more because something newer has come. */

/** Most of them; then the connection is given up until the application has taken some. */
const EVENTS = 1024;

/** @typedef {import('./core-types.js').Event} Event */

export class Events {
  /** The first one may be in the application's hands already. @type {Event[]} */
  waiting = [];
  #overrun = false;

  hasRoom() {
    return this.waiting.length < EVENTS;
  }

  /**
   * Takes an event in. A WebSocket in JavaScript cannot be told to wait, so where there is no room for a message or a
   * receipt, it is left in the inbox, and the connection has to be given up.
   * @param {Event} event
   * @returns {boolean} whether there was room
   */
  push(event) {
    if (!this.hasRoom() && (event.name === 'message' || event.name === 'receipt')) {
      this.#overrun = true;
      return false;
    }
    this.waiting.push(event);
    return true;
  }

  /**
   * An application that is behind has more important things to take than who types.
   * @param {import('./protocol.js').IsTyping} value
   */
  typing(value) {
    if (this.waiting.length < EVENTS / 2) this.push({ name: 'typing', value });
  }

  /**
   * Of each user only the last state waits, after all that came before it.
   * @param {import('./protocol.js').UserPresence} value
   */
  presence(value) {
    this.forgetPresence((user) => user === value.user);
    this.push({ name: 'presence', value });
  }

  /**
   * What waits of these users is not told.
   * @param {(user: string) => boolean} of
   */
  forgetPresence(of) {
    this.waiting = this.waiting.filter((event, at) => at === 0 || event.name !== 'presence' || !of(event.value.user));
  }

  /** Whether something was left in the inbox since this was asked last. */
  wasOverrun() {
    const was = this.#overrun;
    this.#overrun = false;
    return was;
  }
}
