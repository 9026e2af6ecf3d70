/** What the core does when the user has asked for more than one may. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { drain, id, live } from './helpers.js';

/** @typedef {import('../src/core.js').Core} Core */

function written(/** @type {Core} */ it, /** @type {number} */ now) {
  return drain(it, now).map((effect) => JSON.parse(/** @type {any} */ (effect).text));
}

function limited(/** @type {Core} */ it, /** @type {number} */ now, /** @type {any} */ request) {
  it.frame(now, /** @type {any} */ ({
    type: 'error', id: request.id, ref: request.ref, code: 'rate_limited', text: 'too often', temporary: true,
    retry_after: 1000,
  }));
}

test('a rate limit holds all sends until it is over, however often it comes', () => {
  const it = live();
  for (const [ref, user] of [['r1', 'bob'], ['r2', 'bob'], ['r3', 'carol']]) {
    it.send({ ref: String(ref), to: { user: String(user) }, content: { body: 'hi' } });
  }
  let now = 0;
  for (let round = 0; round < 20; round += 1) {
    const sends = written(it, now);
    assert.deepEqual(sends.map(({ ref }) => ref), ['r1', 'r2', 'r3']);
    for (const send of sends) limited(it, now, send);
    if (round === 0) it.send({ ref: 'r4', to: { user: 'dora' }, content: { body: 'hi' } });
    assert.deepEqual(written(it, now + 999), [], 'also those to others: the limit is the user’s');
    const due = it.deadline(now);
    assert.ok(due > now + 999 && due <= now + 1100, `${due - now}`);
    now += 1100;
    it.heard(now);
    it.tick(now);
    if (round === 0) {
      const all = written(it, now);
      assert.deepEqual(all.map(({ ref }) => ref), ['r1', 'r2', 'r3', 'r4']);
      it.frame(now, /** @type {any} */ ({ type: 'sent', id: all[3].id, ref: 'r4', message: id(1, 1), conversation: 'c', at: 0 }));
      drain(it, now);
      for (const send of all.slice(0, 3)) limited(it, now, send);
      now += 1100;
    }
  }
});

test('marks and history are asked for again when the gateway says so', () => {
  const it = live();
  it.ask(1, { type: 'history', user: 'bob' });
  it.read('c', id(7, 1));
  for (let now = 0; now < 6000; now += 1100) {
    const asked = written(it, now);
    assert.deepEqual(asked.map(({ type }) => type).sort(), ['history', 'read']);
    for (const request of asked) limited(it, now, request);
    assert.deepEqual(drain(it, now + 999), []);
    assert.ok(it.deadline(now) <= now + 1100);
    it.heard(now + 1100);
  }
});
