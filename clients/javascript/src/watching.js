/** Whom the application watches, told over each connection anew, and who may see the user. Of each, one request is
 * under way at a time: a newer wish waits for the answer to the one before. */

import { PrivacyError } from './errors.js';
import { USER_ID, isUserId } from './ids.js';

/** Most users that a connection may watch. */
const WATCHED = 100;
/** Most who wait for an answer about the setting: room for a program, people change it by hand. */
const SETTINGS = 64;

/** @typedef {import('./protocol.js').PresenceTo} PresenceTo */

/** Something to ask the gateway, one request at a time. */
class Asking {
  /** When it is to be written; undefined when there is nothing to say. @type {number | undefined} */
  due = undefined;
  /** Written on the connection that is open now. @type {{ id: number, since: number } | undefined} */
  flight = undefined;
  /** Temporary errors since the last answer. */
  failures = 0;

  /** There is something to say. Where an error asked to wait, it is said then. */
  want() {
    this.due ??= 0;
  }

  /** @param {boolean} wanted */
  connected(wanted) {
    this.due = wanted ? 0 : undefined;
    this.flight = undefined;
    this.failures = 0;
  }

  /**
   * Whether it is to be written now, under this request id.
   * @param {number} now
   * @param {number} id
   */
  begins(now, id) {
    if (this.flight || this.due === undefined || this.due > now) return false;
    this.due = undefined;
    this.flight = { id, since: now };
    return true;
  }

  /** @param {number | undefined} id */
  isAsked(id) {
    return id !== undefined && this.flight?.id === id;
  }

  /**
   * Whether this is the request that had no answer. It has one now.
   * @param {number | undefined} id
   */
  answered(id) {
    if (!this.isAsked(id)) return false;
    this.flight = undefined;
    this.failures = 0;
    return true;
  }

  /** @param {number} at */
  again(at) {
    this.flight = undefined;
    this.due = at;
    this.failures += 1;
  }

  /** @param {number} now */
  deadline(now) {
    return !this.flight && this.due !== undefined && this.due > now ? this.due : Infinity;
  }
}

export class Watching {
  /** @type {Set<string>} */
  #users = new Set();
  #watch = new Asking();
  /** What the setting is to be; undefined to ask only. @type {PresenceTo | undefined} */
  #wish = undefined;
  /** What the request under way asks for. @type {PresenceTo | undefined} */
  #asked = undefined;
  /** Who wait, and the wish when they began to. @type {{ ticket: number, wish?: PresenceTo }[]} */
  #tickets = [];
  #privacy = new Asking();

  /** @param {string[]} users */
  watch(users) {
    users.forEach((user, at) => {
      if (isUserId(user)) return;
      throw new TypeError(`users[${at}]: ${JSON.stringify(user)} is no user id: it must be ${USER_ID}`);
    });
    const wanted = new Set(users);
    if (wanted.size > WATCHED) {
      throw new RangeError(`users: ${wanted.size} are to be watched, at most ${WATCHED} can be`);
    }
    this.#users = wanted;
    this.#watch.want();
  }

  /** @param {string} user */
  watches(user) {
    return this.#users.has(user);
  }

  /**
   * @param {number} ticket
   * @param {PresenceTo} [to] without it the setting is only asked for
   */
  privacy(ticket, to) {
    if (this.#tickets.length >= SETTINGS) throw new PrivacyError('full', `${SETTINGS} wait for the setting already`);
    if (this.#tickets.length === 0) this.#privacy.want();
    this.#wish = to ?? this.#wish;
    this.#tickets.push({ ticket, wish: this.#wish });
  }

  /** A session is open. Without anybody to watch there is nothing to say. */
  connected() {
    this.#watch.connected(this.#users.size > 0);
    this.#privacy.connected(this.#tickets.length > 0);
  }

  /**
   * The next frame to write, under this request id.
   * @param {number} now
   * @param {number} id
   */
  next(now, id) {
    if (this.#watch.begins(now, id)) return { type: 'presence', id, users: [...this.#users] };
    if (!this.#privacy.begins(now, id)) return undefined;
    this.#asked = this.#wish;
    return { type: 'privacy', id, presence_to: this.#wish };
  }

  /**
   * Whether this answers a list that no newer one has replaced.
   * @param {number | undefined} id
   */
  watchAnswered(id) {
    return this.#watch.answered(id) && this.#watch.due === undefined;
  }

  /**
   * Who wait for this answer about the setting: all, or where the wish has changed meanwhile, those before the change.
   * @param {number | undefined} id
   */
  privacyAnswered(id) {
    if (!this.#privacy.answered(id)) return [];
    const isDone = (/** @type {{ wish?: PresenceTo }} */ { wish }) => [wish, this.#wish].includes(this.#asked);
    const done = this.#tickets.filter(isDone);
    this.#tickets = this.#tickets.filter((it) => !isDone(it));
    if (this.#tickets.length > 0) this.#privacy.want();
    else this.#wish = undefined;
    return done.map(({ ticket }) => ticket);
  }

  /**
   * How often the request has failed, where it is one of these.
   * @param {number | undefined} id
   */
  failures(id) {
    return this.#of(id)?.failures;
  }

  /**
   * The request failed and is to be made again at this time.
   * @param {number | undefined} id
   * @param {number} at
   */
  again(id, at) {
    this.#of(id)?.again(at);
  }

  oldestAsked() {
    return Math.min(this.#watch.flight?.since ?? Infinity, this.#privacy.flight?.since ?? Infinity);
  }

  /** @param {number} now */
  deadline(now) {
    return Math.min(this.#watch.deadline(now), this.#privacy.deadline(now));
  }

  /** Who wait for an answer that will not come. */
  drain() {
    return this.#tickets.splice(0).map(({ ticket }) => ticket);
  }

  /** @param {number | undefined} id */
  #of(id) {
    return [this.#watch, this.#privacy].find((asking) => asking.isAsked(id));
  }
}
