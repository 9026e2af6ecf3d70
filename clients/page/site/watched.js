/** Whom the page watches. That changes with every message and every page of history; the gateway is told at most once
 * a second, and the last list counts. No DOM, no network. */

/** In milliseconds. */
const EVERY = 1_000;

export class Watched {
  #tell;
  /** @type {string[]} */
  #wanted = [];
  #told = '';
  #rests = false;

  /** @param {(names: string[]) => void} tell */
  constructor(tell) {
    this.#tell = tell;
  }

  /** @param {string[]} names of users, in the same order for the same users */
  want(names) {
    this.#wanted = names;
    if (!this.#rests) this.#say();
  }

  #say() {
    const names = this.#wanted;
    // No name has a space.
    if (names.join(' ') === this.#told) return;
    this.#told = names.join(' ');
    this.#rests = true;
    setTimeout(() => {
      this.#rests = false;
      this.#say();
    }, EVERY);
    this.#tell(names);
  }
}
