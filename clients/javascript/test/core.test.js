/** The core against a lossy world: connections end at any point, answers get lost, sends fail, messages
 * are stored and pushed twice. Afterwards all is well for long enough, and the promises must hold. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { highest, identity } from '../src/ids.js';
import { core, drain, id, live, random, welcome } from './helpers.js';

class World {
  now = 0;
  /** @type {{ up: any[], down: any[], failed: Map<string, string> } | undefined} */
  wire;
  stored = new Map();
  /** @type {Map<string, string[]>} */
  order = new Map();
  /** @type {string[]} */
  inbox = [];
  clock = 0;
  /** @type {{ ref: string, to: string }[]} */
  sent = [];
  /** @type {string[]} */
  answered = [];
  /** @type {string[]} */
  shown = [];
  arrived = new Set();
  /** How far two conversations were read, and how far the gateway knows. @type {Record<string, string>} */
  marks = {};
  /** @type {Record<string, string>} */
  marked = {};

  constructor(/** @type {number} */ seed) {
    this.random = random(seed);
    this.core = core();
    this.pass(0);
  }

  chance(/** @type {number} */ p) {
    return this.random() < p;
  }

  step() {
    const steps = [
      [4, () => this.send()], [8, () => this.read(this.chance(0.15))], [8, () => this.arrive()],
      [3, () => this.incoming()], [1, () => this.pushInbox()], [6, () => this.take(this.chance(0.9))],
      [1, () => this.end()], [4, () => this.pass(Math.floor(this.random() * 3000))], [2, () => this.reads()],
    ];
    let pick = this.random() * 37;
    for (const [weight, step] of /** @type {[number, () => void][]} */ (steps)) {
      pick -= weight;
      if (pick < 0) return step();
    }
  }

  settle() {
    for (const effect of drain(this.core, this.now)) {
      if (effect.do === 'dial') {
        this.wire = { up: [], down: [], failed: new Map() };
        this.core.opened(this.now, 'secret');
        this.settle();
      } else if (effect.do === 'write') {
        assert.ok(this.wire, 'written without a connection');
        this.wire.up.push(JSON.parse(effect.text));
      } else if (effect.do === 'drop') {
        this.wire = undefined;
      } else if (effect.do === 'sent') {
        assert.equal(/** @type {any} */ (effect.result).message, this.stored.get(effect.ref));
        this.answered.push(effect.ref);
      }
    }
  }

  send() {
    const to = /** @type {string} */ (['bob', 'carol', 'dave'][Math.floor(this.random() * 3)]);
    const ref = `r${this.sent.length}`;
    if (this.core.outbox.size >= 64) return;
    this.core.send({ ref, to: { user: to }, content: { body: ref } });
    this.sent.push({ ref, to });
    this.settle();
  }

  read(/** @type {boolean} */ fails) {
    const frame = this.wire?.up.shift();
    if (!frame || !this.wire) return;
    const { down, failed } = this.wire;
    if (frame.type === 'hello') {
      down.push(welcome(frame));
      this.pushInbox();
    } else if (frame.type === 'ack') {
      for (const acked of frame.messages) {
        assert.ok(this.shown.includes(identity(acked)), 'acknowledged before it was taken');
      }
      this.inbox = this.inbox.filter((kept) => !frame.messages.includes(kept));
    } else if (frame.type === 'read') {
      const { id: request, conversation, up_to } = frame;
      if (fails) {
        down.push({ type: 'error', id: request, code: 'unavailable', text: 'away', temporary: true });
        return;
      }
      this.marked[conversation] = highest(this.marked[conversation], up_to);
      down.push({ type: 'marked', id: request, conversation, up_to });
    } else if (frame.type === 'send') {
      const to = frame.to.user;
      const before = failed.get(to);
      if (fails || (before !== undefined && before !== frame.ref)) {
        if (before === undefined) failed.set(to, frame.ref);
        down.push({ type: 'error', id: frame.id, ref: frame.ref, code: 'unavailable', text: 'away', temporary: true });
        return;
      }
      failed.delete(to);
      if (!this.stored.has(frame.ref)) {
        this.clock += 1;
        this.stored.set(frame.ref, id(this.clock, this.clock));
        this.order.set(to, [...(this.order.get(to) ?? []), frame.ref]);
      }
      const message = this.stored.get(frame.ref);
      down.push({ type: 'sent', id: frame.id, ref: frame.ref, message, conversation: 'c', at: 0 });
    }
  }

  arrive() {
    const frame = this.wire?.down.shift();
    if (frame) this.core.frame(this.now, frame);
    this.settle();
  }

  incoming() {
    const of = 1_000_000 + this.clock;
    for (let copies = this.chance(0.3) ? 2 : 1; copies > 0; copies -= 1) {
      this.clock += 1;
      const message = id(this.clock, of);
      this.arrived.add(identity(message));
      this.inbox.push(message);
      this.push(message);
    }
  }

  pushInbox() {
    this.inbox.forEach((message) => this.push(message));
  }

  push(/** @type {string} */ message) {
    this.wire?.down.push({
      type: 'message', message, conversation: 'c', from: 'bob', device: 'd', to: { user: 'alice' }, at: 0,
      content: { body: 'hi' },
    });
  }

  take(/** @type {boolean} */ kept) {
    const event = this.core.events.shift();
    if (!event) return;
    if (event.name === 'message' && kept) {
      const shown = identity(event.value.message);
      assert.ok(!this.shown.includes(shown), 'shown twice');
      this.shown.push(shown);
    }
    this.core.taken(event, kept);
    this.settle();
  }

  reads() {
    const conversation = this.chance(0.5) ? 'c' : 'd';
    const upTo = id(1 + Math.floor(this.random() * 40), 1);
    this.marks[conversation] = highest(this.marks[conversation], upTo);
    this.core.read(conversation, upTo);
    this.settle();
  }

  end() {
    if (!this.wire) return;
    this.wire = undefined;
    const code = [4000, 4001, 4100, 4101, undefined][Math.floor(this.random() * 5)];
    this.core.ended(this.now, { why: 'because', code });
    this.settle();
  }

  pass(/** @type {number} */ millis) {
    this.now += millis;
    this.core.tick(this.now);
    this.settle();
  }

  calm() {
    for (let minute = 0; minute < 600; minute += 1) {
      this.pass(100);
      for (let n = 0; n < 20; n += 1) {
        this.read(false);
        this.arrive();
        this.take(true);
      }
    }
    this.pushInbox();
    for (let n = 0; n < 1000; n += 1) {
      this.arrive();
      this.take(true);
      this.read(false);
    }
  }

  check() {
    assert.deepEqual([...this.answered].sort(), this.sent.map(({ ref }) => ref).sort());
    for (const [to, order] of this.order) {
      assert.deepEqual(order, this.sent.filter((sent) => sent.to === to).map(({ ref }) => ref), 'out of order');
    }
    assert.deepEqual(new Set(this.shown), this.arrived);
    assert.deepEqual(this.inbox, []);
    assert.deepEqual(this.marked, this.marks);
  }
}

test('a group that has to wait holds up no other one, and no user of the same name', () => {
  const it = live();
  const [one, two] = ['0f0f0f0f-1e1e-4d2d-8c3c-4b4b4b4b4b4b', '0f0f0f0f-1e1e-4d2d-8c3c-4b4b4b4b4b4c'];
  const written = () => drain(it, 0).flatMap((effect) => (effect.do === 'write' ? [JSON.parse(effect.text)] : []));
  it.send({ ref: 'r1', to: { group: one }, content: { body: 'a' } });
  const [first] = written();
  it.frame(0, { type: 'error', id: first.id, ref: 'r1', code: 'unavailable', text: '', temporary: true, retry_after: 1000 });
  it.send({ ref: 'r2', to: { group: one }, content: { body: 'b' } });
  it.send({ ref: 'r3', to: { group: two }, content: { body: 'c' } });
  it.send({ ref: 'r4', to: { user: one }, content: { body: 'd' } });
  assert.deepEqual(written().map((frame) => frame.ref), ['r3', 'r4']);
});

test('every send arrives once and in order, and every message is shown once', () => {
  for (let seed = 0; seed < 60; seed += 1) {
    const world = new World(seed);
    for (let n = 0; n < 150; n += 1) world.step();
    world.calm();
    try {
      world.check();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});

test('what was read is told once, and only the highest of each conversation', () => {
  const it = live();
  for (const [conversation, at] of /** @type {[string, number][]} */ ([['c', 5], ['d', 3], ['c', 7], ['c', 6]])) {
    it.read(conversation, id(at, 1));
  }
  const written = () => drain(it, 0).map((effect) => JSON.parse(/** @type {any} */ (effect).text));
  const [c, d, ...more] = written();
  assert.deepEqual([c.up_to, d.up_to, more], [id(7, 1), id(3, 1), []]);
  it.read('c', id(8, 1));
  assert.deepEqual(written(), []);
  it.frame(0, { type: 'error', id: d.id, code: 'forbidden', text: 'no', temporary: false });
  it.frame(0, { type: 'marked', id: c.id, conversation: 'c', up_to: id(7, 1) });
  assert.deepEqual(written().map(({ conversation, up_to }) => [conversation, up_to]), [['c', id(8, 1)]]);
  it.read('e', id(1, 1));
  it.close(0);
  assert.deepEqual(drain(it, 0).map((effect) => effect.do), ['write', 'goodbye']);
});

test('typing is told every three seconds, its end once, and a message ends it', () => {
  const it = live();
  const written = () => drain(it, 0).map((effect) => JSON.parse(/** @type {any} */ (effect).text));
  it.typing(0, { user: 'bob' }, false);
  for (let now = 0; now < 4000; now += 100) it.typing(now, { user: 'bob' }, true);
  for (const now of [4000, 4100]) it.typing(now, { user: 'bob' }, false);
  assert.deepEqual(written().map(({ type, to, active }) => [type, to.user, active]),
    [['typing', 'bob', undefined], ['typing', 'bob', undefined], ['typing', 'bob', false]]);
  it.typing(5000, { user: 'bob' }, true);
  it.send({ ref: 'r', to: { user: 'bob' }, content: { body: 'hi' } });
  it.typing(5100, { user: 'bob' }, false);
  it.typing(5200, { user: 'bob' }, true);
  assert.deepEqual(written().map(({ type }) => type), ['typing', 'typing', 'send']);
  for (let n = 0; n < 20; n += 1) it.typing(5300, { user: `user-${n}` }, true);
  assert.equal(written().length, 7);
});

test('a gateway that knows no typing is told no more, and nothing ends by that', () => {
  const it = live();
  it.typing(0, { user: 'bob' }, true);
  const [{ text }] = /** @type {any[]} */ (drain(it, 0));
  it.frame(0, { type: 'error', id: JSON.parse(text).id, code: 'unknown_type', text: 'no', temporary: false });
  it.typing(4000, { user: 'bob' }, true);
  assert.deepEqual(drain(it, 4000), []);
  assert.equal(it.link.is, 'live');
  const typing = { from: 'bob', conversation: 'c', expires_in: 6000 };
  it.frame(4000, { type: 'typing', ...typing });
  assert.deepEqual(it.events.at(-1), { name: 'typing', value: typing });
});

test('the range of a close code decides what comes next', () => {
  const after = (/** @type {number} */ code) => {
    const it = live();
    it.frame(60_000, { type: 'pong', id: 0, time: 0 });
    it.ended(60_000, { why: 'because', code });
    return it;
  };
  assert.deepEqual(after(4000).link, { is: 'waiting', until: 60_000 });
  assert.equal(after(4150).link.is, 'waiting');
  assert.equal(after(1006).link.is, 'waiting');
  assert.equal(after(4204).link.is, 'stopped');
  assert.match(/** @type {any} */ (after(4204).events[0]).value.message, /another program uses the same device/);
});

test('a device learns that it is new, and that it was removed', () => {
  for (const newDevice of [true, false]) {
    const it = core();
    it.tick(0);
    it.opened(0, 'secret');
    const hello = JSON.parse(/** @type {any} */ (drain(it, 0).find((effect) => effect.do === 'write')).text);
    it.frame(0, { ...welcome(hello), new_device: newDevice });
    assert.equal(/** @type {any} */ (it.events[0]).value.newDevice, newDevice);
  }
  const fixed = live();
  fixed.ended(1, { why: 'removed', code: 4206 });
  assert.equal(fixed.link.is, 'stopped');
  const renews = live({ tokenRenews: true });
  renews.ended(1, { why: 'removed', code: 4206 });
  assert.notEqual(renews.link.is, 'stopped');
});

test('an expired token is renewed once, and a refused one is not', () => {
  const it = live({ tokenRenews: true });
  it.ended(1, { why: 'expired', code: 4201 });
  it.tick(5_000);
  it.opened(5_000, 'as bad');
  it.ended(5_001, { why: 'expired', code: 4201 });
  assert.equal(it.link.is, 'stopped');
  const fixed = live();
  fixed.ended(1, { why: 'expired', code: 4201 });
  assert.equal(fixed.link.is, 'stopped');
});

test('a half-open connection is found and left', () => {
  const it = live();
  it.tick(25_000);
  assert.match(JSON.stringify(drain(it, 25_000)), /ping/);
  it.tick(35_000);
  assert.ok(drain(it, 35_000).some((effect) => effect.do === 'drop'));
});

test('what the gateway asks to wait is waited, within reason', () => {
  const it = live();
  it.frame(0, { type: 'error', code: 'overloaded', text: 'full', temporary: true, retry_after: 7_000 });
  it.ended(0, { why: 'full', code: 4100 });
  assert.ok(it.deadline(0) >= 7_000 && it.deadline(0) <= 7_100);
  const other = live();
  other.frame(0, { type: 'error', code: 'overloaded', text: 'full', temporary: true, retry_after: 1e12 });
  other.ended(0, { why: 'full', code: 4100 });
  assert.ok(other.deadline(0) <= 300_100);
});

test('a message that no gateway would take is refused here', () => {
  const it = live();
  it.send({ ref: 'r', to: { user: 'bob' }, content: { body: '\u0001'.repeat(20_000) } });
  const [effect] = drain(it, 0);
  assert.equal(/** @type {any} */ (effect).result.reason, 'too_large');
});

test('every copy of a message is acknowledged once the message was taken', () => {
  const it = live();
  for (const at of [1, 2]) {
    it.frame(0, {
      type: 'message', message: id(at, 7), conversation: 'c', from: 'bob', device: 'd', to: { user: 'alice' }, at: 0,
      content: { body: 'hi' },
    });
  }
  assert.deepEqual(drain(it, 0), []);
  const [event, ...more] = it.events.splice(0);
  assert.deepEqual(more, []);
  it.taken(/** @type {any} */ (event), true);
  const [effect] = drain(it, 0);
  assert.deepEqual(JSON.parse(/** @type {any} */ (effect).text).messages, [id(1, 7), id(2, 7)]);
});

test('a send that failed waits for the answers of those after it', () => {
  const it = live();
  const sends = (/** @type {number} */ now) => drain(it, now).map((effect) => JSON.parse(/** @type {any} */ (effect).text).ref);
  const fail = (/** @type {string} */ ref) => it.frame(0, { type: 'error', ref, code: 'unavailable', text: 'away', temporary: true });
  for (const ref of ['r1', 'r2']) it.send({ ref, to: { user: 'bob' }, content: { body: ref } });
  assert.deepEqual(sends(0), ['r1', 'r2']);
  fail('r1');
  assert.deepEqual(sends(1_000), []);
  fail('r2');
  assert.deepEqual(sends(1_000), ['r1', 'r2']);
});

test('an application that is too far behind gives its connection up and loses nothing', () => {
  const it = live();
  const push = (/** @type {number} */ n) => it.frame(0, {
    type: 'message', message: id(n, n), conversation: 'c', from: 'bob', device: 'd', to: { user: 'alice' }, at: 0,
    content: { body: 'hi' },
  });
  for (let n = 1; n <= 1100; n += 1) push(n);
  it.checkOverrun(0);
  assert.ok(drain(it, 0).some((effect) => effect.do === 'drop'));
  assert.equal(it.deadline(0), Infinity, 'it dials again only when there is room');
  for (const event of it.events.splice(0)) it.taken(event, true);
  it.tick(it.deadline(0));
  it.opened(1_000, 'secret');
  const hello = /** @type {any} */ (drain(it, 1_000).find((effect) => effect.do === 'write'));
  it.frame(1_000, welcome(JSON.parse(hello.text)));
  for (let n = 1; n <= 1100; n += 1) push(n);
  const shown = it.events.filter((event) => event.name === 'message').length;
  assert.equal(shown, 1100 - 1024);
});
