/** The client: a connection, a timer and handlers around the core, which decides everything. */

import { BACKOFF } from './backoff.js';
import { Connection, tokenFrom } from './connection.js';
import { Core } from './core.js';
import { PrivacyError, QueryError, SendError } from './errors.js';
import { newGroup, newReference } from './ids.js';
import { GROUP_CHANGE } from './protocol.js';
import { memoryStorage } from './storage.js';

/** How long the last frames and the close handshake may take. */
const GOODBYE_WITHIN = 3_000;
/** How often the resume state is saved at most. */
const SAVE_EVERY = 1_000;

/**
 * @typedef {object} Options
 * @property {string[]} endpoints URLs of gateways, `wss://host:port`, tried in turn
 * @property {string} device which of the user's devices this is: the same in every run, and in no two
 *   programs at a time
 * @property {string | (() => string | Promise<string>)} token the token, or where to get one for each
 *   connection; a function is asked again before a token expires, and should then give one that lasts longer
 * @property {import('./storage.js').ResumeStorage} [storage] where the device keeps what it remembers;
 *   in memory where absent
 * @property {typeof globalThis.WebSocket | any} [WebSocket] an implementation, where the platform has
 *   none (Node.js before 22: the `ws` package)
 * @property {import('./backoff.js').Backoff} [backoff]
 * @property {number} [outbox] most sends without an answer; 1024 where absent
 */

/**
 * What can be listened to. Handlers run one after the other, in order. A message or a receipt is
 * acknowledged when its handler's promise is fulfilled; one whose handler threw, and a message that has no
 * handler, stays in the inbox and comes again with the next session.
 * @typedef {object} Events
 * @property {{ user: string, device: string, newDevice: boolean, session: string, gateway: string, expires?: number }} connected
 * @property {undefined} caught_up what waited while the device was away has been shown
 * @property {import('./protocol.js').Message} message once each; its id is its place
 * @property {import('./protocol.js').Receipt} receipt
 * @property {import('./protocol.js').IsTyping} typing somebody types, or has stopped
 * @property {import('./protocol.js').UserPresence} presence whether a user is online whom `watch` names: as it is now,
 *   told at first, when it has changed, and on each connection
 * @property {import('./protocol.js').ProtocolError} watch_refused the gateway does not take whom `watch` names, and
 *   would not later: nothing new is told of them over this connection
 * @property {{ expires: number }} expiring the token expires soon, milliseconds UTC, and the client with it:
 *   it has no other one, since `token` is a string
 * @property {{ why: string, code?: number, retryIn: number }} disconnected tries again by itself
 * @property {import('./errors.js').FatalError} fatal stopped; somebody must change something
 */

/**
 * Which page of which conversation: either of `user` or of `conversation`. With `after` it goes forward in
 * time, else backward from `before` or from the newest message.
 * @typedef {object} HistoryQuery
 * @property {string} [user]
 * @property {string} [conversation]
 * @property {string} [before]
 * @property {string} [after]
 * @property {string} [sender]
 * @property {string} [content_type] a media type, or `image/*` for all of a family
 * @property {number} [since] of this time or later, milliseconds UTC
 * @property {number} [until] before this time, milliseconds UTC
 * @property {number} [limit] 1 to 100; 50 where absent
 */

export class ChatClient {
  #options;
  #storage;
  #WebSocket;
  /** @type {Core | undefined} */
  #core;
  /** @type {Connection | undefined} */
  #connection;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {Map<string, { resolve: (sent: any) => void, reject: (error: Error) => void }>} */
  #sends = new Map();
  /** @type {Map<number, { resolve: (answer: any) => void, reject: (error: Error) => void }>} */
  #questions = new Map();
  /** @type {Map<number, { resolve: (to: any) => void, reject: (error: Error) => void }>} */
  #settings = new Map();
  /** @type {Map<string, Set<(value: any) => unknown>>} */
  #handlers = new Map();
  #tickets = 0;
  #delivering = false;
  #savedAt = -Infinity;
  #unsaved = false;
  /** @type {Promise<void> | undefined} */
  #starting;
  /** @type {(() => void)[]} */
  #whenClosed = [];

  /** @param {Options} options */
  constructor(options) {
    if (options.endpoints.length === 0) throw new TypeError('endpoints: at least one URL is needed');
    options.endpoints.forEach(checkEndpoint);
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (!this.#WebSocket) throw new TypeError('WebSocket: this platform has none, so one must be given');
    this.#options = options;
    this.#storage = options.storage ?? memoryStorage();
  }

  /**
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(value: Events[Name]) => unknown} handler
   * @returns {() => void} stops listening
   */
  on(name, handler) {
    const handlers = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, handlers.add(handler));
    return () => handlers.delete(handler);
  }

  /** Connects, and again whenever a connection ends. Add handlers first. */
  connect() {
    this.#starting ??= this.#start();
  }

  async #start() {
    const resume = await this.#storage.load();
    const { endpoints, device, token, backoff = BACKOFF, outbox = 1024 } = this.#options;
    const tokenRenews = typeof token === 'function';
    this.#core = new Core({ endpoints, device, backoff, outbox, tokenRenews, random: Math.random, resume });
    this.#run((core) => core.tick(now()));
  }

  /** Where the client is: `idle` before `connect`, `live` while a session is open. */
  get state() {
    return this.#core?.link.is ?? 'idle';
  }

  /** What the gateway has told of its limits, while a session is open. */
  get limits() {
    return this.#core?.link.is === 'live' ? this.#core.link.limits : undefined;
  }

  /**
   * Sends a message, now or when there is a session. Messages to one recipient arrive in the order of these
   * calls. Rejects with a SendError.
   * @param {import('./protocol.js').Recipient} to
   * @param {string | import('./protocol.js').Content} content
   * @param {{ ref?: string }} [options] a reference of the application's own: repeating it within 7 days
   *   never makes a second message
   * @returns {Promise<import('./protocol.js').Sent>}
   */
  async send(to, content, { ref = newReference() } = {}) {
    const said = typeof content === 'string' ? { body: content } : content;
    await this.#started();
    return new Promise((resolve, reject) => {
      this.#run((core) => {
        try {
          core.send({ ref, to, content: said });
          this.#sends.set(ref, { resolve, reject });
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /**
   * A page of what was said. Asked again by itself when the connection is lost. Rejects with a QueryError.
   * @param {HistoryQuery} query
   * @returns {Promise<import('./protocol.js').HistoryPage>}
   */
  async history(query) {
    return this.#ask({ ...query, type: 'history' });
  }

  /**
   * Makes a group of this user, who owns it, and of these members, at most 100: more are added by
   * `changeGroup`. Rejects with a SendError.
   * @param {string} name
   * @param {string[]} [members]
   * @returns {Promise<string>} the group, once it is there
   */
  async createGroup(name, members = []) {
    const group = newGroup();
    await this.changeGroup(group, { create: { name, members } });
    return group;
  }

  /**
   * Changes a group, by a message to it: what is sent to the group after this call finds it changed. Rejects
   * with a SendError, also where the user may not make this change.
   * @param {string} group
   * @param {import('./protocol.js').GroupChange} change
   * @returns {Promise<import('./protocol.js').Sent>}
   */
  async changeGroup(group, change) {
    return this.send({ group }, { type: GROUP_CHANGE, body: JSON.stringify(change) });
  }

  /**
   * Who takes part in a group. Asked again by itself when the connection is lost. Rejects with a QueryError.
   * @param {string} group
   * @returns {Promise<import('./protocol.js').GroupState>}
   */
  async group(group) {
    return this.#ask({ type: 'group', group });
  }

  /**
   * How many have received and read a message of this user's, as of now; who of them, with `members`. In a
   * conversation of two `receipt` says so by itself; in a group nobody sends receipts, so ask while it is shown.
   * Asked again by itself when the connection is lost. Rejects with a QueryError.
   * @param {string} message
   * @param {{ members?: boolean }} [options]
   * @returns {Promise<import('./protocol.js').Receipts>}
   */
  async receipts(message, { members = false } = {}) {
    return this.#ask({ type: 'receipts', message, members });
  }

  /** @param {any} query */
  #ask(query) {
    return this.#answered(this.#questions, (core, ticket) => core.ask(ticket, query));
  }

  /**
   * What comes of something that the core is asked under a ticket.
   * @param {Map<number, { resolve: (answer: any) => void, reject: (error: Error) => void }>} waiting
   * @param {(core: Core, ticket: number) => void} ask
   * @returns {Promise<any>}
   */
  async #answered(waiting, ask) {
    await this.#started();
    this.#tickets += 1;
    const ticket = this.#tickets;
    return new Promise((resolve, reject) => {
      this.#run((core) => {
        try {
          ask(core, ticket);
          waiting.set(ticket, { resolve, reject });
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /**
   * The user has read a conversation up to this message. The others in it are told, and so are the user's other
   * devices (`receipt` of kind `read`). Call it as often as you like: a lower mark changes nothing, and what
   * has no answer is sent again on the next connection. It ends with the client; the next message that is
   * read makes up for it.
   * @param {string} conversation
   * @param {string} upTo
   */
  async read(conversation, upTo) {
    await this.#started();
    this.#run((core) => core.read(conversation, upTo), false);
  }

  /**
   * The user is typing to somebody, or has stopped (`active` is false). Call it with every key: what says nothing
   * new is not sent. Whoever is connected is told, now or not at all; groups are not. A message
   * ends it by itself.
   * @param {import('./protocol.js').Recipient} to
   * @param {boolean} [active]
   */
  typing(to, active = true) {
    this.#run((core) => core.typing(now(), to, active), false);
  }

  /**
   * Watches who of these users is online, and nobody else: `presence` tells, until another call. Each connection
   * begins with it anew. Rejects with a RangeError where they are more than 100, and with a TypeError where one of
   * them is no user id; nothing has changed then.
   * @param {string[]} users
   */
  async watch(users) {
    await this.#started();
    this.#run((core) => core.watch(users), false);
  }

  /**
   * Sets who may see when the user is online, or asks who may. Fulfilled once it is stored, which takes effect
   * within about a minute. Asked again by itself when the connection is lost. Rejects with a PrivacyError.
   * @param {import('./protocol.js').PresenceTo} [to]
   * @returns {Promise<import('./protocol.js').PresenceTo>}
   */
  async privacy(to) {
    return this.#answered(this.#settings, (core, ticket) => core.privacy(ticket, to));
  }

  /** Writes the acks and marks that are due, closes the connection, saves, and ends the client. */
  async close() {
    await this.#started();
    const open = this.#connection?.isUp === true;
    const ended = new Promise((resolve) => {
      const timer = setTimeout(resolve, GOODBYE_WITHIN);
      this.#whenClosed.push(() => {
        clearTimeout(timer);
        resolve(undefined);
      });
    });
    this.#run((core) => core.close(now()));
    if (open) await ended;
    else for (const done of this.#whenClosed.splice(0)) done();
    await this.#save();
  }

  async #started() {
    if (!this.#starting) throw new Error('call connect() first');
    await this.#starting;
  }

  /**
   * Brings something to the core, then carries out what it wants.
   * @param {(core: Core) => void} input
   * @param {boolean} [changes] it may have changed what is to be saved
   */
  #run(input, changes = true) {
    const core = this.#core;
    if (!core) return;
    input(core);
    this.#unsaved ||= changes;
    for (let effect = core.pollEffect(now()); effect; effect = core.pollEffect(now())) this.#act(effect);
    const stopped = core.link.is === 'stopped';
    const due = this.#savedAt + SAVE_EVERY;
    if (this.#unsaved && (now() >= due || stopped)) void this.#save();
    clearTimeout(this.#timer);
    const next = Math.min(core.deadline(now()), this.#unsaved ? due : Infinity);
    if (next < Infinity) {
      // Timers take 31 bits; an earlier tick does no harm.
      const wait = Math.min(Math.max(next - now(), 0), 2 ** 31 - 1);
      this.#timer = setTimeout(() => this.#run((it) => it.tick(now()), false), wait);
    }
    void this.#deliver(core);
  }

  /** @param {import('./core.js').Effect} effect */
  #act(effect) {
    switch (effect.do) {
      case 'dial':
        this.#connection = new Connection(effect.url, this.#options.token, this.#WebSocket, this.#listener());
        return;
      case 'write':
        return this.#connection?.write(effect.text);
      case 'renew':
        return void this.#renew();
      case 'drop':
      case 'goodbye':
        this.#connection?.end(effect.do === 'goodbye' ? 1000 : undefined);
        this.#connection = undefined;
        return;
      case 'sent':
        settle(this.#sends, effect.ref, effect.result, SendError);
        return;
      case 'privacy':
        settle(this.#settings, effect.ticket, effect.result, PrivacyError);
        return;
      case 'answer':
        settle(this.#questions, effect.ticket, effect.result, QueryError);
    }
  }

  async #renew() {
    /** @type {string | undefined} */
    let token;
    try {
      token = await tokenFrom(this.#options.token);
    } catch (error) {
      console.warn('chatcluster: no fresh token for the session', error);
    }
    this.#run((core) => core.renewed(now(), token), false);
  }

  /** @returns {import('./connection.js').Listener} */
  #listener() {
    return {
      opened: (token) => this.#run((core) => core.opened(now(), token)),
      received: (frame) => this.#run((core) => {
        if (frame) core.frame(now(), frame);
        else core.heard(now());
        core.checkOverrun(now());
      }),
      ended: (end) => this.#run((core) => {
        this.#connection = undefined;
        core.ended(now(), end);
      }),
      closed: () => {
        for (const done of this.#whenClosed.splice(0)) done();
      },
    };
  }

  /**
   * Hands events to the handlers, one after the other.
   * @param {Core} core
   */
  async #deliver(core) {
    if (this.#delivering) return;
    this.#delivering = true;
    for (let event = core.events[0]; event; event = core.events[0]) {
      const kept = await this.#handle(event);
      core.events.shift();
      this.#run((it) => it.taken(event, kept));
    }
    this.#delivering = false;
  }

  /**
   * Whether every handler took the event. A message must have one; receipts that nobody wants are done with.
   * @param {import('./core.js').Event} event
   */
  async #handle({ name, value }) {
    const handlers = [...(this.#handlers.get(name) ?? [])];
    let kept = handlers.length > 0 || name !== 'message';
    for (const handler of handlers) {
      try {
        await handler(value);
      } catch (error) {
        kept = false;
        console.error(`chatcluster: a handler of ${name} failed`, error);
      }
    }
    return kept;
  }

  async #save() {
    if (!this.#core) return;
    this.#unsaved = false;
    this.#savedAt = now();
    try {
      await this.#storage.save(this.#core.resume());
    } catch (error) {
      console.error('chatcluster: the resume state was not saved', error);
    }
  }
}

/**
 * Refuses what would send the token in the clear.
 * @param {string} url
 */
function checkEndpoint(url) {
  const { protocol, hostname } = new URL(url);
  const here = hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
  if (protocol === 'wss:' || (protocol === 'ws:' && here)) return;
  throw new TypeError(`endpoints: ${url} must begin with wss:// (or ws:// to this machine)`);
}

/**
 * @template Key
 * @param {Map<Key, { resolve: (value: any) => void, reject: (error: Error) => void }>} waiting
 * @param {Key} key
 * @param {unknown} result
 * @param {new (...args: any[]) => Error} failure
 */
function settle(waiting, key, result, failure) {
  const answer = waiting.get(key);
  waiting.delete(key);
  if (result instanceof failure) answer?.reject(result);
  else answer?.resolve(result);
}

/** Milliseconds of a clock that never goes back. */
function now() {
  return performance.now();
}
