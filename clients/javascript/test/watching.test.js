/** Whom the application watches, and who may see its user. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { drain, live, welcome } from './helpers.js';

/** @typedef {import('../src/core.js').Core} Core */

function written(/** @type {Core} */ it, /** @type {number} */ now) {
  return drain(it, now).filter((effect) => effect.do === 'write')
    .map((effect) => JSON.parse(/** @type {any} */ (effect).text));
}

function told(/** @type {Core} */ it) {
  return it.events.filter(({ name }) => name === 'presence').map(({ value }) => value);
}

function refuses(/** @type {Core} */ it, /** @type {any} */ request, code = 'bad_field') {
  const temporary = code !== 'bad_field' && code !== 'unknown_type';
  it.frame(0, { type: 'error', id: request.id, code, text: 'no', temporary, retry_after: temporary ? 100 : undefined });
}

function reconnects(/** @type {Core} */ it) {
  it.ended(1, { why: 'stopping', code: 4000 });
  it.tick(30_000);
  it.opened(30_000, 'secret');
  const [hello] = written(it, 30_000);
  it.frame(30_000, welcome(hello));
}

const online = (/** @type {string} */ user) => ({ user, online: true });
const offline = (/** @type {string} */ user) => ({ user, online: false });

test('who is watched is told on each connection, and only the last state of each waits', () => {
  const it = live();
  it.watch(['bob', 'carol', 'bob']);
  const [asked] = written(it, 0);
  assert.deepEqual([asked.type, asked.users], ['presence', ['bob', 'carol']]);
  it.frame(0, { type: 'presence', id: asked.id, users: [offline('bob'), online('carol')] });
  it.frame(1, { type: 'presence', users: [{ ...offline('carol'), last_seen: 5 }, online('eve')] });
  it.frame(2, { type: 'presence', users: [online('carol')] });
  assert.deepEqual(told(it), [offline('bob'), online('carol')]);
  assert.deepEqual(written(it, 3), []);
  assert.throws(() => it.watch(Array.from({ length: 101 }, (_, n) => `u${n}`)), RangeError);
  reconnects(it);
  assert.deepEqual(written(it, 30_000).map(({ type, users }) => [type, users]), [['presence', ['bob', 'carol']]]);
});

test('a state that waits since an earlier connection is not told as one of this connection', () => {
  const it = live();
  it.watch(['bob']);
  it.frame(0, { type: 'presence', id: written(it, 0)[0].id, users: [online('eve')] });
  it.frame(0, { type: 'typing', from: 'eve', conversation: 'c', expires_in: 1 });
  it.frame(0, { type: 'presence', users: [online('bob')] });
  reconnects(it);
  it.frame(30_000, { type: 'presence', id: written(it, 30_000)[0].id, users: [offline('bob')] });
  assert.deepEqual(it.events.map(({ name }) => name), ['typing', 'disconnected', 'connected', 'presence']);
  assert.deepEqual(told(it), [offline('bob')]);
});

test('a newer list waits for the answer to the one before, and only the last one is written', () => {
  const it = live();
  it.watch(['bob']);
  const [first] = written(it, 0);
  it.watch(['carol']);
  it.watch(['dora']);
  assert.deepEqual(written(it, 0), []);
  it.frame(0, { type: 'presence', id: first.id, users: [online('bob')] });
  assert.deepEqual(told(it), [], 'of bob, who is watched no more');
  assert.deepEqual(written(it, 0).map(({ users }) => users), [['dora']]);
});

test('a list that failed comes again when the gateway says so, and a newer one waits as long', () => {
  const it = live();
  it.watch(['bob']);
  const [first] = written(it, 0);
  refuses(it, first, 'rate_limited');
  it.watch(['carol']);
  assert.deepEqual(written(it, 99), []);
  const due = it.deadline(0);
  assert.ok(due >= 100 && due < 1_000, `again at ${due}`);
  assert.deepEqual(written(it, due).map(({ users }) => users), [['carol']]);
});

test('nothing that was said about an older list explains the end of the connection', () => {
  for (const code of ['bad_field', 'rate_limited']) {
    const it = live();
    it.watch(['bob']);
    const [first] = written(it, 0);
    it.watch(['carol']);
    refuses(it, first, code);
    assert.equal(/** @type {any} */ (it.link).words, undefined);
    assert.deepEqual(it.events, [], 'about a list that another one has replaced');
    assert.equal(written(it, 5_000).length, 1);
  }
});

test('a list that is refused for good is told to the application, on each connection', () => {
  const it = live();
  it.watch(['bob']);
  refuses(it, written(it, 0)[0], 'unknown_type');
  assert.deepEqual(it.events.map(({ name, value }) => [name, /** @type {any} */ (value).code]), [['watch_refused', 'unknown_type']]);
  assert.deepEqual(written(it, 10_000), []);
  reconnects(it);
  refuses(it, written(it, 30_000)[0], 'unknown_type');
  assert.equal(it.events.filter(({ name }) => name === 'watch_refused').length, 2);
});

test('a list with a name that nobody can have is refused here, and changes nothing', () => {
  const it = live();
  it.watch(['bob']);
  const [asked] = written(it, 0);
  it.frame(0, { type: 'presence', id: asked.id, users: [] });
  for (const wrong of ['', 'al ice', 'älice', 'a/b', 'a'.repeat(129), 'bob\n', undefined]) {
    assert.throws(() => it.watch(['carol', /** @type {any} */ (wrong)]), (/** @type {any} */ error) => error instanceof TypeError
      && error.message.startsWith(`users[1]: ${JSON.stringify(wrong)} is no user id`), `${wrong}`);
  }
  assert.deepEqual(written(it, 0), []);
  it.frame(0, { type: 'presence', users: [online('bob'), online('carol')] });
  assert.deepEqual(told(it), [online('bob')]);
  it.watch(['a.b_c:d@e+f-0', 'a'.repeat(128)]);
  assert.equal(written(it, 0).length, 1);
});

test('what waits of somebody who is watched no more is not told', () => {
  const it = live();
  it.watch(['ann', 'bob', 'carol']);
  it.frame(0, { type: 'presence', id: written(it, 0)[0].id, users: ['ann', 'bob', 'carol'].map(online) });
  it.watch(['carol']);
  assert.deepEqual(told(it), [online('ann'), online('carol')], 'the first is being taken');
});

test('a newer setting waits for the answer to the one before, which answers who wished for it', () => {
  const it = live();
  const frames = () => drain(it, 0).map((effect) => JSON.parse(/** @type {any} */ (effect).text));
  const answer = (/** @type {any} */ { id }, /** @type {import('../src/protocol.js').PresenceTo} */ presence_to) => {
    it.frame(0, { type: 'privacy', id, presence_to });
    return drain(it, 0).flatMap((effect) => (effect.do === 'write' ? [JSON.parse(effect.text)] : [effect]));
  };
  it.privacy(1);
  it.privacy(2);
  const [asked] = frames();
  assert.deepEqual([asked.type, asked.presence_to], ['privacy', undefined]);
  it.privacy(3, 'nobody');
  it.privacy(4);
  assert.deepEqual(frames(), [], 'one at a time');
  const [one, two, set, ...none] = answer(asked, 'contacts');
  assert.deepEqual([one, two], [1, 2].map((ticket) => ({ do: 'privacy', ticket, result: 'contacts' })));
  assert.deepEqual([set.presence_to, none], ['nobody', []]);
  it.privacy(5, 'contacts');
  it.privacy(6, 'everybody');
  it.privacy(7);
  assert.deepEqual(frames(), []);
  const [three, four, last] = answer(set, 'nobody');
  assert.deepEqual([three, four], [3, 4].map((ticket) => ({ do: 'privacy', ticket, result: 'nobody' })));
  assert.equal(last.presence_to, 'everybody');
  assert.deepEqual(answer(last, 'everybody'), [5, 6, 7].map((ticket) => ({ do: 'privacy', ticket, result: 'everybody' })));
  it.privacy(8);
  assert.deepEqual(frames().map(({ presence_to }) => presence_to), [undefined], 'what was set is not set again');
});

test('a setting that failed comes again, the one that is refused is told to who wished for it', () => {
  const it = live();
  it.privacy(1, 'nobody');
  const [first] = written(it, 0);
  it.privacy(2, 'everybody');
  refuses(it, first);
  const [refused, write] = drain(it, 0);
  assert.deepEqual([/** @type {any} */ (refused).ticket, /** @type {any} */ (refused).result.reason], [1, 'refused']);
  refuses(it, JSON.parse(/** @type {any} */ (write).text), 'unavailable');
  it.privacy(3, 'contacts');
  assert.deepEqual(written(it, 99), []);
  const [again] = written(it, it.deadline(0));
  assert.equal(again.presence_to, 'contacts');
  reconnects(it);
  const [anew] = written(it, 30_000);
  assert.deepEqual([anew.type, anew.presence_to], ['privacy', 'contacts']);
  it.close(30_000);
  const ends = drain(it, 30_000).flatMap((effect) => (effect.do === 'privacy' ? [[effect.ticket, /** @type {any} */ (effect.result).reason]] : []));
  assert.deepEqual(ends, [[2, 'closed'], [3, 'closed']]);
});

test('no more wait for a setting than a program can want', () => {
  const it = live();
  for (let ticket = 0; ticket < 64; ticket += 1) it.privacy(ticket);
  assert.throws(() => it.privacy(64), { name: 'PrivacyError', reason: 'full' });
});
