/** What the page knows: who was talked to, what was said, and how far it came. No DOM, no network. */

import { highest, isCopy, isUserId } from './client/ids.js';
import { GROUP_CHANGE } from './client/protocol.js';
import { keyOf, said } from './groups.js';

/** @typedef {import('./client/protocol.js').Message} Message */
/** @typedef {import('./client/protocol.js').Receipt} Receipt */
/** @typedef {import('./client/protocol.js').Receipts} Receipts */
/** @typedef {import('./client/protocol.js').Sent} Sent */

/**
 * One line of a conversation.
 * @typedef {object} Line
 * @property {string} [id] absent until a gateway has stored it
 * @property {string} [ref] of a message sent from this page
 * @property {boolean} mine
 * @property {string} [from] who said it, in a group
 * @property {string} text
 * @property {number} at
 * @property {'sending' | 'sent' | 'failed'} [state]
 * @property {string} [why] why it failed
 * @property {Receipts} [counts] who has it, of one's own in a group
 * @property {boolean} [pushed] it waited for this device, or came as it was said
 */

/**
 * A person, or a group.
 * @typedef {object} Person
 * @property {string} name of a group: `#` and its id, which is no name of a user
 * @property {string} [title] what the group is called
 * @property {string} [conversation]
 * @property {Line[]} lines in the order of their ids; without an id, at the end
 * @property {number} unread
 * @property {string} [delivered] the highest id that the person has received
 * @property {string} [read] the highest id that the person has read
 * @property {string} [seen] the highest id that this user has read, here or on another device
 * @property {number} [typingUntil] as long as the person is shown as typing
 * @property {boolean} [online] as far as this user may see it; only of those who are watched, while connected
 * @property {number} [lastSeen] milliseconds UTC
 * @property {string} [older] where older history goes on
 */

/** @typedef {Pick<Person, 'name' | 'title' | 'delivered' | 'read' | 'seen'>} Kept */

export class Model {
  /** @type {Map<string, Person>} */
  people = new Map();
  /** @type {Set<string>} */
  #watched = new Set();

  /** @param {string} me */
  constructor(me) {
    this.me = me;
  }

  /**
   * @param {string} name
   * @returns {Person}
   */
  person(name) {
    const known = this.people.get(name);
    if (known) return known;
    /** @type {Person} */
    const person = { name, lines: [], unread: 0 };
    this.people.set(name, person);
    return person;
  }

  /** Everybody, who spoke last first. */
  byRecency() {
    const last = (/** @type {Person} */ person) => person.lines.at(-1)?.at ?? Infinity;
    return [...this.people.values()].sort((a, b) => last(b) - last(a) || (a.name < b.name ? -1 : 1));
  }

  /**
   * A message that is pushed: it is unread, unless its conversation is open, or it was read before. History may
   * have been faster.
   * @param {Message} message
   * @param {string | undefined} open
   */
  push(message, open) {
    this.add(message);
    const person = this.#with(message);
    const line = lineOf(person, message.message);
    if (!line || line.mine || line.pushed) return;
    line.pushed = true;
    const read = highest(person.seen, message.message) === person.seen;
    if (!read && person.name !== open) person.unread += 1;
  }

  /**
   * A message, pushed or from history; nothing changes if it is there.
   * @param {Message} message
   */
  add(message) {
    const mine = message.from === this.me;
    const group = 'group' in message.to;
    const person = this.#with(message);
    person.conversation = message.conversation;
    if (!mine) person.typingUntil = undefined;
    if (lineOf(person, message.message)) return;
    const { type = 'text/plain', body } = message.content;
    const change = type === GROUP_CHANGE ? said(message.from, body) : undefined;
    if (change?.title) person.title = change.title;
    const text = change?.text ?? (type === 'text/plain' ? body : `[${type}]`);
    const from = group && !mine ? message.from : undefined;
    this.#insert(person, { id: message.message, mine, from, text, at: message.at, state: mine ? 'sent' : undefined });
  }

  /**
   * Somebody types, or has stopped. Of strangers who only type nothing is shown. Returns whose conversation
   * changed.
   * @param {{ from: string, expires_in: number }} typing
   * @param {number} now
   */
  typing({ from, expires_in }, now) {
    const person = this.people.get(from);
    if (person) person.typingUntil = expires_in > 0 ? now + expires_in : undefined;
    return person;
  }

  /**
   * Whether somebody is online. Returns whose state it is, if they are shown and watched.
   * @param {{ user: string, online: boolean, last_seen?: number }} presence
   */
  presence({ user, online, last_seen }) {
    const person = this.#watched.has(user) ? this.people.get(user) : undefined;
    if (person) Object.assign(person, { online, lastSeen: last_seen });
    return person;
  }

  /** Whom to watch: everybody who is shown and is a person, as far as a connection may. */
  toWatch() {
    return this.byRecency().map(({ name }) => name).filter(isUserId).slice(0, 100).sort();
  }

  /**
   * These are watched, and nobody else: of the others nothing is known any more.
   * @param {string[]} names
   */
  watch(names) {
    this.#watched = new Set(names);
    for (const person of this.people.values()) if (!this.#watched.has(person.name)) forgetPresence(person);
  }

  /** There is no connection: of nobody is known whether they are online. */
  disconnected() {
    for (const person of this.people.values()) forgetPresence(person);
  }

  /**
   * The user looks at what a person has said. Returns what is read by that and was not before.
   * @param {Person} person
   * @returns {{ conversation: string, upTo: string } | undefined}
   */
  look(person) {
    person.unread = 0;
    const upTo = person.lines.findLast((line) => !line.mine && line.id !== undefined)?.id;
    if (upTo === undefined || person.conversation === undefined || highest(person.seen, upTo) === person.seen) {
      return undefined;
    }
    person.seen = upTo;
    return { conversation: person.conversation, upTo };
  }

  /**
   * A message that is being sent.
   * @param {string} name
   * @param {{ ref: string, text: string, at: number }} send
   */
  sending(name, { ref, text, at }) {
    const person = this.person(name);
    person.lines.push({ ref, mine: true, text, at, state: 'sending' });
    return person;
  }

  /**
   * @param {string} name
   * @param {Sent} sent
   */
  sent(name, sent) {
    const person = this.person(name);
    const index = person.lines.findIndex((line) => line.ref === sent.ref);
    const line = person.lines[index];
    if (!line) return person;
    person.conversation = sent.conversation;
    person.lines.splice(index, 1);
    // History may have been faster.
    if (!lineOf(person, sent.message)) this.#insert(person, { ...line, id: sent.message, at: sent.at, state: 'sent' });
    return person;
  }

  /**
   * @param {string} name
   * @param {string} ref
   * @param {string} why
   */
  failed(name, ref, why) {
    const person = this.person(name);
    const line = person.lines.find((other) => other.ref === ref);
    if (line) Object.assign(line, { state: 'failed', why });
    return person;
  }

  /**
   * Returns whose conversation changed.
   * @param {Receipt} receipt
   */
  receipt(receipt) {
    if (receipt.kind === 'read' && receipt.user === this.me) return this.#readElsewhere(receipt);
    if (receipt.kind !== 'delivered' && receipt.kind !== 'read') return undefined;
    // Nobody in a group sends one.
    const person = this.person(receipt.user);
    person.conversation ??= receipt.conversation;
    person[receipt.kind] = highest(person[receipt.kind], receipt.up_to);
    return person;
  }

  /**
   * Another device of this user has read that far.
   * @param {Receipt} receipt
   */
  #readElsewhere({ conversation, up_to }) {
    const person = [...this.people.values()].find((it) => it.conversation === conversation);
    if (!person) return undefined;
    person.seen = highest(person.seen, up_to);
    const above = person.lines.filter(({ mine, id }) => !mine && id !== undefined && id > up_to);
    person.unread = Math.min(person.unread, above.length);
    return person;
  }

  /**
   * How far a line of one's own came.
   * @param {Person} person
   * @param {Line} line
   * @returns {'sending' | 'sent' | 'delivered' | 'read' | 'failed'}
   */
  tick(person, line) {
    if (line.counts) {
      const { of, delivered, read } = line.counts;
      if (of > 0 && delivered === of) return read === of ? 'read' : 'delivered';
    }
    if (line.id !== undefined && person.read !== undefined && line.id <= person.read) return 'read';
    if (line.id !== undefined && person.delivered !== undefined && line.id <= person.delivered) return 'delivered';
    return line.state ?? 'sent';
  }

  /**
   * The newest of this user's own messages in a group, unless everybody has read it.
   * @param {Person} person
   */
  unread(person) {
    if (!person.name.startsWith('#')) return undefined;
    const line = person.lines.findLast(({ mine, id }) => mine && id !== undefined);
    return line && this.tick(person, line) !== 'read' ? line.id : undefined;
  }

  /**
   * @param {Person} person
   * @param {Receipts} counts
   */
  counted(person, counts) {
    const line = person.lines.find(({ id }) => id === counts.message);
    if (line) line.counts = counts;
  }

  /**
   * What to keep in the browser: names and receipts. What was said comes from history.
   * @returns {Kept[]}
   */
  kept() {
    const kept = this.byRecency().slice(0, 50);
    return kept.map(({ name, title, delivered, read, seen }) => ({ name, title, delivered, read, seen }));
  }

  /**
   * With whom a message was exchanged.
   * @param {Message} message
   */
  #with({ from, to }) {
    return this.person('group' in to || from === this.me ? keyOf(to) : from);
  }

  /**
   * A late lower id goes to its place.
   * @param {Person} person
   * @param {Line} line
   */
  #insert(person, line) {
    const id = /** @type {string} */ (line.id);
    const after = person.lines.findIndex((other) => other.id === undefined || other.id > id);
    person.lines.splice(after < 0 ? person.lines.length : after, 0, line);
  }
}

/**
 * The line that a message is, under this id or that of a copy.
 * @param {Person} person
 * @param {string} message
 */
function lineOf(person, message) {
  return person.lines.find(({ id }) => id !== undefined && isCopy(id, message));
}

/** @param {Person} person */
function forgetPresence(person) {
  Object.assign(person, { online: undefined, lastSeen: undefined });
}
