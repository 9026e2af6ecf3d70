/**
 * The client's decisions: when to dial and where, what to send again, what to show, what to acknowledge,
 * when to give a connection up. No socket and no timer: the shell (client.js) brings time and events in
 * and carries the effects out. The Rust client's core decides alike.
 *
 * Times are milliseconds of a clock that never goes back.
 */

import { ceiling, jitter } from './backoff.js';
import { verdict } from './closing.js';
import { FatalError, PrivacyError, QueryError, SendError } from './errors.js';
import { Events } from './events.js';
import { Heartbeat } from './heartbeat.js';
import { byteLength, highest, identity } from './ids.js';
import { Seen } from './inbox.js';
import { Marks } from './marks.js';
import { Outbox } from './outbox.js';
import { Queries } from './queries.js';
import { RATE_LIMITED, refused } from './refusals.js';
import { Renewal } from './renewal.js';
import { Retries } from './retries.js';
import { Typing } from './typing.js';
import { Watching } from './watching.js';
import { REFERENCE_LIFETIME } from './protocol.js';

/** @typedef {import('./protocol.js').ServerFrame} ServerFrame */
/** @typedef {import('./protocol.js').ProtocolError} ProtocolError */
/** @typedef {import('./storage.js').Resume} Resume */

/** TCP, TLS and upgrade, or `hello`, over a poor mobile link. */
const OPEN_WITHIN = 15_000;
/** A gateway answers within a few seconds, if only by `unavailable`; else it has lost the request. */
const ANSWER_WITHIN = 30_000;
/** A session that lasted this long was a good one: the next failure is the first again. */
const STEADY = 10_000;
/** Longest wait that a gateway may ask for: a mistake there must not silence a client for days. */
const ASKED_AT_MOST = 300_000;
/** Messages whose acks may have been lost: twice what one `ack` holds. */
const RECENT = 512;

/** @typedef {import('./core-types.js').CoreOptions} CoreOptions */
/** @typedef {import('./core-types.js').Effect} Effect */
/** @typedef {import('./core-types.js').Event} Event */
/** @typedef {import('./core-types.js').Link} Link */

export class Core {
  /** @type {Link} */
  link = { is: 'waiting', until: 0 };
  #events = new Events();
  /** @type {Effect[]} */
  #effects = [];
  /** @type {Retries} */
  #retries;
  #tokenWorked = false;
  #requests = 0;
  #messages = new Seen(identity);
  #receipts = new Seen((id) => id);
  #marks = new Marks();
  #queries = new Queries();
  #typing = new Typing();
  #watching = new Watching();

  /** @param {CoreOptions} options */
  constructor(options) {
    this.options = options;
    this.outbox = new Outbox(options.outbox);
    this.#retries = new Retries(options);
    this.highest = options.resume?.highest;
    this.epoch = options.resume?.epoch;
    for (const id of options.resume?.recent ?? []) this.#messages.remember(id);
  }

  /** What the application has not taken yet. */
  get events() {
    return this.#events.waiting;
  }

  /** @returns {Resume} what to keep for the next run */
  resume() {
    return { highest: this.highest, epoch: this.epoch, recent: this.#messages.recent(RECENT) };
  }

  /**
   * The application sends. Once taken in, the answer comes as an effect.
   * @param {{ ref: string, to: import('./protocol.js').Recipient, content: import('./protocol.js').Content }} send
   */
  send(send) {
    if (this.link.is === 'stopped') throw stoppedSend(this.link.error);
    const rejected = this.outbox.push(send);
    if (rejected === undefined && 'user' in send.to) this.#typing.sent(send.to.user);
    if (rejected === 'full') throw new SendError('full', 'too many sends wait for their answers already');
    if (rejected) {
      throw new SendError(rejected, 'another send under the same reference has no answer yet');
    }
  }

  /**
   * The application asks something that has an answer: `history`, `group` or `receipts`. Once taken in, the answer comes
   * as an effect.
   * @param {number} ticket
   * @param {{ type: 'history' | 'group' | 'receipts', [field: string]: unknown }} query
   */
  ask(ticket, query) {
    if (this.link.is === 'stopped') throw stopped(QueryError, this.link.error);
    this.#queries.push(ticket, query);
  }

  /**
   * The user has read a conversation so far.
   * @param {string} conversation
   * @param {string} upTo
   */
  read(conversation, upTo) {
    this.#marks.set(conversation, upTo);
  }

  /**
   * The user is typing to somebody, or has stopped. Groups are not told.
   * @param {number} now
   * @param {import('./protocol.js').Recipient} to
   * @param {boolean} active
   */
  typing(now, to, active) {
    const id = this.#request();
    if (this.link.is !== 'live' || !('user' in to)) return;
    if (!this.#typing.isNews(now, id, to.user, active)) return;
    const text = JSON.stringify({ type: 'typing', id, to, active: active ? undefined : false });
    this.#effects.push({ do: 'write', text });
  }

  /**
   * The application watches these users, and nobody else.
   * @param {string[]} users
   */
  watch(users) {
    this.#watching.watch(users);
    this.#events.forgetPresence((user) => !this.#watching.watches(user));
  }

  /**
   * The user sets who may see them, or asks. The answer comes as an effect.
   * @param {number} ticket
   * @param {import('./protocol.js').PresenceTo} [to]
   */
  privacy(ticket, to) {
    if (this.link.is === 'stopped') throw stopped(PrivacyError, this.link.error);
    this.#watching.privacy(ticket, to);
  }

  /**
   * The application has dealt with an event; a message or a receipt that it kept is acknowledged, one
   * that it could not keep comes again.
   * @param {Event} event
   * @param {boolean} kept
   */
  taken(event, kept) {
    if (event.name === 'message') {
      const id = event.value.message;
      if (kept) this.#messages.take(id);
      else this.#messages.forget(id);
    } else if (event.name === 'receipt') {
      const id = event.value.receipt;
      if (kept) this.#receipts.take(id);
      else this.#receipts.forget(id);
    }
  }

  /**
   * The application is done: acks and marks that are due are written, then the connection is closed.
   * @param {number} now
   */
  close(now) {
    if (this.link.is === 'stopped') return;
    if (this.link.is === 'live') {
      const { limits } = this.link;
      const next = () => this.#nextAck(limits.ack_ids) ?? this.#nextMark(now, limits);
      for (let frame = next(); frame; frame = next()) this.#effects.push(frame);
    }
    this.#effects.push({ do: 'goodbye' });
    this.#stop(undefined);
  }

  /**
   * The next thing to do.
   * @param {number} now
   * @returns {Effect | undefined}
   */
  pollEffect(now) {
    const effect = this.#effects.shift() ?? this.#nextWrite(now);
    if (effect?.do === 'write' && this.link.is === 'live') this.link.heartbeat.sent(now);
    return effect;
  }

  /**
   * @param {number} now
   * @returns {Effect | undefined}
   */
  #nextWrite(now) {
    if (this.link.is !== 'live') return undefined;
    const { limits } = this.link;
    const ack = this.#nextAck(limits.ack_ids);
    if (ack) return ack;
    const id = this.#request();
    const entry = this.outbox.next(now, id, limits.sends_in_flight);
    if (entry) {
      const { ref, to, content } = entry;
      const text = JSON.stringify({ type: 'send', id, ref, to, content });
      const size = byteLength(text);
      if (size <= limits.frame && byteLength(content.body) <= limits.body) return { do: 'write', text };
      // The gateway would refuse it, or end this connection and the next one too.
      this.outbox.remove(ref);
      const problem = `the message is too large: ${size} bytes as a frame, ${limits.frame} are allowed, and ${limits.body} for its body`;
      return { do: 'sent', ref, result: new SendError('too_large', problem) };
    }
    const mark = this.#nextMark(now, limits);
    if (mark) return mark;
    const watching = this.#watching.next(now, id);
    if (watching) return { do: 'write', text: JSON.stringify(watching) };
    const query = this.#queries.next(now, id);
    return query && { do: 'write', text: JSON.stringify({ ...query, id }) };
  }

  /**
   * @param {number} most
   * @returns {Effect | undefined}
   */
  #nextAck(most) {
    if (this.#messages.due + this.#receipts.due === 0) return undefined;
    const messages = this.#messages.nextAcks(most);
    const receipts = this.#receipts.nextAcks(most);
    return { do: 'write', text: JSON.stringify({ type: 'ack', messages, receipts }) };
  }

  /**
   * @param {number} now
   * @param {import('./protocol.js').Limits} limits
   * @returns {Effect | undefined}
   */
  #nextMark(now, limits) {
    const id = this.#request();
    const read = this.#marks.next(now, id, limits.reads_in_flight);
    return read && { do: 'write', text: JSON.stringify({ type: 'read', id, ...read }) };
  }

  /**
   * The connection that was dialled is open; `token` opens the session.
   * @param {number} now
   * @param {string} token
   */
  opened(now, token) {
    if (this.link.is !== 'dialing') return;
    const id = this.#request();
    const { highest: seen, epoch } = this;
    const resume = seen === undefined && epoch === undefined ? undefined : { highest: seen, epoch };
    const hello = { type: 'hello', id, token, device: this.options.device, resume };
    this.#effects.push({ do: 'write', text: JSON.stringify(hello) });
    this.link = { is: 'opening', until: now + OPEN_WITHIN, hello: id };
  }

  /**
   * The application has a fresh token for the open session, or has none.
   * @param {number} now
   * @param {string | undefined} token
   */
  renewed(now, token) {
    const id = this.#request();
    if (this.link.is !== 'live' || !this.link.renewal.had(now, id, token)) return;
    this.#effects.push({ do: 'write', text: JSON.stringify({ type: 'refresh', id, token }) });
  }

  /** @param {number} now */
  heard(now) {
    if (this.link.is === 'live') this.link.heartbeat.heard(now);
  }

  /**
   * A frame came.
   * @param {number} now
   * @param {ServerFrame} frame
   */
  frame(now, frame) {
    this.heard(now);
    if (frame.type === 'welcome') return this.#welcomed(now, frame);
    if (frame.type === 'error') return this.#error(now, frame);
    if (this.link.is !== 'live') return;
    switch (frame.type) {
      case 'caught_up':
        return this.#tell({ name: 'caught_up', value: undefined });
      case 'message': {
        const { type, ...message } = frame;
        this.highest = highest(this.highest, message.message);
        if (this.#messages.arrived(message.message)) this.#tell({ name: 'message', value: message });
        return;
      }
      case 'receipt': {
        const { type, ...receipt } = frame;
        if (this.#receipts.arrived(receipt.receipt)) this.#tell({ name: 'receipt', value: receipt });
        return;
      }
      case 'sent': {
        const { type, ...sent } = frame;
        this.highest = highest(this.highest, sent.message);
        if (this.outbox.remove(sent.ref)) this.#effects.push({ do: 'sent', ref: sent.ref, result: sent });
        return;
      }
      case 'history': {
        const { type, ...page } = frame;
        for (const { message } of page.messages) this.highest = highest(this.highest, message);
        return this.#answered(page);
      }
      case 'group': {
        const { type, ...group } = frame;
        return this.#answered(group);
      }
      case 'receipts': {
        const { type, ...receipts } = frame;
        return this.#answered(receipts);
      }
      case 'typing': {
        const { type, ...typing } = frame;
        return this.#events.typing(typing);
      }
      case 'presence':
        this.#watching.watchAnswered(frame.id);
        for (const presence of frame.users) {
          // One that came before the application has changed its mind.
          if (this.#watching.watches(presence.user)) this.#events.presence(presence);
        }
        return;
      case 'privacy':
        for (const ticket of this.#watching.privacyAnswered(frame.id)) {
          this.#effects.push({ do: 'privacy', ticket, result: frame.presence_to });
        }
        return;
      case 'marked':
        return this.#marks.answered(frame.id);
      case 'expiring':
        if (!this.options.tokenRenews) this.#tell({ name: 'expiring', value: { expires: frame.expires } });
        else if (this.link.renewal.expiring(now)) this.#effects.push({ do: 'renew' });
        return;
      case 'refreshed':
        return this.link.renewal.refreshed(now, frame);
      case 'reconnect':
        this.link.leave ??= now + Math.min(Math.max(frame.after, 0), ASKED_AT_MOST);
        return;
      default: // pong, and frames of newer gateways
    }
  }

  /** @param {import('./core-types.js').Answer} result */
  #answered(result) {
    const ticket = this.#queries.answered(result.id);
    if (ticket !== undefined) this.#effects.push({ do: 'answer', ticket, result });
  }

  /**
   * @param {number} now
   * @param {import('./protocol.js').Welcome} welcome
   */
  #welcomed(now, welcome) {
    if (this.link.is !== 'opening' || this.link.hello !== welcome.id) return;
    const { user, device, session, epoch, heartbeat, limits, expires } = welcome;
    const newDevice = welcome.new_device ?? false;
    this.#tokenWorked = true;
    this.#typing = new Typing();
    this.#watching.connected();
    this.epoch = epoch;
    const renewal = new Renewal(expires, this.options);
    this.link = { is: 'live', heartbeat: new Heartbeat(heartbeat, now), limits, renewal, since: now };
    const gateway = this.#retries.endpoint;
    this.#tell({ name: 'connected', value: { user, device, newDevice, session, gateway, expires } });
  }

  /**
   * @param {number} now
   * @param {ProtocolError} error
   */
  #error(now, error) {
    const requests = {
      outbox: this.outbox, marks: this.#marks, queries: this.#queries, typing: this.#typing, watching: this.#watching,
    };
    const outcome = refused(requests, error, (failures) => now + this.#wait(error, failures));
    if (outcome) {
      this.#effects.push(...outcome.effects);
      if (outcome.unwatched) this.#tell({ name: 'watch_refused', value: error });
    } else if (this.link.is === 'opening') {
      this.link.words = error;
    } else if (this.link.is === 'live' && !this.link.renewal.refused(now, error.id, asked(error))) {
      this.link.words = error;
    }
  }

  /**
   * How long to wait before a request is made again that has failed so often before. A rate limit is no failure:
   * who says when there is room again need not be asked less and less often.
   * @param {ProtocolError} error
   * @param {number} failures
   */
  #wait(error, failures) {
    const most = ceiling(this.options.backoff, error.code === RATE_LIMITED ? 0 : failures);
    return jitter(this.options.random, most, asked(error));
  }

  /**
   * The connection ended, or could not be opened. The shell has dropped it.
   * @param {number} now
   * @param {{ why: string, code?: number, leaving?: boolean }} end
   */
  ended(now, end) {
    const { link } = this;
    if (link.is === 'waiting' || link.is === 'stopped') return;
    this.outbox.disconnected();
    this.#marks.disconnected();
    this.#queries.disconnected();
    const words = link.is === 'opening' || link.is === 'live' ? link.words : undefined;
    const judged = end.code === undefined ? undefined : verdict(end.code);
    if (end.code !== undefined && judged && this.#mustChange(judged)) {
      const change = 'change' in judged ? judged.change : '';
      return this.#stop(new FatalError(end.code, words?.text ?? end.why, change));
    }
    const leave = link.is === 'live' ? link.leave : undefined;
    const retryIn = this.#retries.lost({
      steady: link.is === 'live' && now - link.since >= STEADY,
      atOnce: judged?.next === 'at_once' || end.leaving === true,
      asked: leave === undefined ? asked(words) : Math.max(leave - now, 0),
    });
    this.link = { is: 'waiting', until: now + retryIn };
    this.#tell({ name: 'disconnected', value: { why: end.why, code: end.code, retryIn } });
  }

  /**
   * Whether another attempt makes no sense before something changed. A token that worked has expired
   * since; where tokens renew, the next one may be good.
   * @param {import('./closing.js').Verdict} judged
   */
  #mustChange(judged) {
    if (judged.next === 'stop') return true;
    if (judged.next !== 'token') return false;
    const renewed = this.options.tokenRenews && this.#tokenWorked;
    this.#tokenWorked = false;
    return !renewed;
  }

  /**
   * When `tick` has something to do.
   * @param {number} now
   */
  deadline(now) {
    const { link } = this;
    switch (link.is) {
      case 'stopped':
        return Infinity;
      case 'waiting':
        return this.#events.hasRoom() ? link.until : Infinity;
      case 'live':
        return Math.min(link.heartbeat.deadline(), link.leave ?? Infinity, this.outbox.deadline(now),
          this.#marks.deadline(now), this.#queries.deadline(now), this.#watching.deadline(now), link.renewal.deadline(),
          this.#oldestRequest() + ANSWER_WITHIN);
      default:
        return link.until;
    }
  }

  /**
   * Time has passed.
   * @param {number} now
   */
  tick(now) {
    const { link } = this;
    const lifetime = link.is === 'live' ? link.limits.reference_lifetime : REFERENCE_LIFETIME;
    for (const { ref } of this.outbox.expired(now, lifetime)) {
      const problem = 'no answer came within the lifetime of the reference; the outcome is unknown';
      this.#effects.push({ do: 'sent', ref, result: new SendError('expired', problem) });
    }
    if (link.is === 'waiting') {
      if (now < link.until || !this.#events.hasRoom()) return;
      this.link = { is: 'dialing', until: now + OPEN_WITHIN };
      this.#effects.push({ do: 'dial', url: this.#retries.endpoint });
    } else if (link.is === 'dialing' && now >= link.until) {
      this.#drop(now, { why: 'the gateway did not answer in time' });
    } else if (link.is === 'opening' && now >= link.until) {
      this.#drop(now, { why: 'the gateway did not open the session in time' });
    } else if (link.is === 'live') {
      this.#tickLive(now, link);
    }
  }

  /**
   * @param {number} now
   * @param {Link & { is: 'live' }} link
   */
  #tickLive(now, link) {
    if (link.leave !== undefined && now >= link.leave) {
      link.leave = undefined;
      return this.#drop(now, { why: 'the gateway is stopping and asked to move', leaving: true });
    }
    if (now >= this.#oldestRequest() + ANSWER_WITHIN) {
      return this.#drop(now, { why: 'the gateway is silent: a request had no answer in time' });
    }
    if (link.renewal.tick(now)) this.#effects.push({ do: 'renew' });
    const beat = link.heartbeat.beat(now);
    if (beat === 'ask') {
      link.heartbeat.asked(now);
      this.#effects.push({ do: 'write', text: JSON.stringify({ type: 'ping', id: this.#request() }) });
    } else if (beat === 'dead') {
      this.#drop(now, { why: 'the gateway is silent: no answer to a ping' });
    }
  }

  /**
   * An event for the application.
   * @param {Event} event
   */
  #tell(event) {
    if (!this.#events.push(event)) this.taken(event, false);
  }

  /**
   * To be called after frames: gives the connection up if the application is too far behind.
   * @param {number} now
   */
  checkOverrun(now) {
    if (!this.#events.wasOverrun()) return;
    this.#drop(now, { why: 'the application is behind; the rest waits in the inbox' });
  }

  /**
   * @param {number} now
   * @param {{ why: string, leaving?: boolean }} end
   */
  #drop(now, end) {
    this.#effects.push({ do: 'drop' });
    this.ended(now, end);
  }

  #oldestRequest() {
    const refresh = this.link.is === 'live' ? this.link.renewal.asked() : Infinity;
    return Math.min(this.outbox.oldestInFlight(), this.#marks.oldestAsked(), this.#watching.oldestAsked(),
      this.#queries.oldestAsked(), refresh);
  }

  /** @param {FatalError | undefined} error */
  #stop(error) {
    for (const { ref } of this.outbox.drain()) {
      this.#effects.push({ do: 'sent', ref, result: stoppedSend(error) });
    }
    for (const ticket of this.#queries.drain()) {
      this.#effects.push({ do: 'answer', ticket, result: stopped(QueryError, error) });
    }
    for (const ticket of this.#watching.drain()) {
      this.#effects.push({ do: 'privacy', ticket, result: stopped(PrivacyError, error) });
    }
    this.link = { is: 'stopped', error };
    if (error) this.#tell({ name: 'fatal', value: error });
  }

  #request() {
    this.#requests += 1;
    return this.#requests;
  }
}

/** @param {ProtocolError | undefined} error */
function asked(error) {
  return Math.min(error?.retry_after ?? 0, ASKED_AT_MOST);
}

/** @param {FatalError | undefined} error */
function stoppedSend(error) {
  if (error) return new SendError('fatal', `${error.message}; the outcome is unknown`);
  return new SendError('closed', 'the client was closed before an answer came; the outcome is unknown');
}

/**
 * @template {typeof QueryError | typeof PrivacyError} Kind
 * @param {Kind} Kind
 * @param {FatalError | undefined} error
 */
function stopped(Kind, error) {
  return error ? new Kind('fatal', error.message) : new Kind('closed', 'the client was closed');
}
