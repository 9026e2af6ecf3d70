/** A token that expires during a session, as the core sees it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { drain, live, welcome } from './helpers.js';

const FIRST = 100_000;

/** Live with a token until FIRST, from a source of more. */
function renewing(options = { tokenRenews: true }) {
  const it = live(options, FIRST);
  return {
    core: it,
    expiring: (/** @type {number} */ now) => it.frame(now, { type: 'expiring', expires: FIRST }),
    /** How often a token is wanted. */
    wanted: (/** @type {number} */ now) => drain(it, now).filter((effect) => effect.do === 'renew').length,
    /** Gives a token, and returns the refresh that follows. */
    token: (/** @type {number} */ now, /** @type {string} */ token) => {
      it.renewed(now, token);
      const [effect] = drain(it, now);
      const frame = JSON.parse(/** @type {any} */ (effect).text);
      assert.deepEqual([frame.type, frame.token], ['refresh', token]);
      return frame.id;
    },
    /** Time passes until `end`, the gateway showing signs of life. */
    pass: (/** @type {number} */ now, /** @type {number} */ end) => {
      const effects = [];
      for (let at = now; at <= end; at += 100) {
        it.heard(at);
        it.tick(at);
        effects.push(...drain(it, at));
      }
      return effects.map((effect) => effect.do);
    },
  };
}

test('a token that expires soon is replaced in the open session', () => {
  const { core, expiring, wanted, token, pass } = renewing();
  for (const round of [1, 2]) {
    expiring(0);
    assert.equal(wanted(0), 1);
    const id = token(0, 'fresh');
    core.frame(0, { type: 'refreshed', id, expires: FIRST + round });
    assert.deepEqual(pass(0, 20_000), []);
  }
  assert.deepEqual(core.events, []);
});

test('without a source of tokens the application is told, and nothing else happens', () => {
  const { core, expiring, wanted, pass } = renewing({ tokenRenews: false });
  expiring(0);
  assert.deepEqual(core.events, [{ name: 'expiring', value: { expires: FIRST } }]);
  assert.equal(wanted(0), 0);
  assert.deepEqual(pass(0, 20_000), []);
});

test('a source that fails or hangs is asked again', () => {
  const { core, expiring, wanted, pass } = renewing();
  expiring(0);
  assert.equal(wanted(0), 1);
  core.renewed(0, undefined);
  assert.deepEqual(pass(0, 1_000), ['renew']);
  assert.deepEqual(pass(1_000, 17_000), ['renew']);
});

test('a refused token is followed by another, and the session goes on', () => {
  const { core, expiring, wanted, token, pass } = renewing();
  expiring(0);
  for (const code of ['bad_token', 'token_expired']) {
    assert.equal(wanted(0), 1);
    const id = token(0, 'fresh');
    core.frame(0, { type: 'error', id, code, field: 'token', text: 'no', temporary: false });
    // It is told once; what fails is tried again all the same.
    expiring(0);
    assert.equal(wanted(0), 0);
    core.tick(1_000);
  }
  assert.equal(core.link.is, 'live');
  assert.equal(/** @type {any} */ (core.link).words, undefined);
  assert.deepEqual(pass(1_000, 1_000), ['renew']);
});

test('the same token again is no fresh one', () => {
  const { core, expiring, token, wanted, pass } = renewing();
  expiring(0);
  wanted(0);
  core.frame(0, { type: 'refreshed', id: token(0, 'stale'), expires: FIRST });
  assert.deepEqual(pass(0, 1_000), ['renew']);
});

test('attempts become rarer', () => {
  const { core, expiring, wanted, pass } = renewing();
  expiring(0);
  wanted(0);
  let attempts = 0;
  for (let now = 0; now < 60_000; now += 1_000) {
    core.renewed(now, undefined);
    attempts += pass(now, now + 900).length;
  }
  assert.ok(attempts >= 4 && attempts < 20, String(attempts));
});

test('a gateway that never answers a refresh is left', () => {
  const { expiring, wanted, token, pass } = renewing();
  expiring(0);
  wanted(0);
  token(0, 'fresh');
  assert.ok(!pass(0, 29_900).includes('drop'));
  assert.ok(pass(30_000, 30_000).includes('drop'));
});

test('a token that comes after the session has ended is not sent', () => {
  const { core, expiring, wanted } = renewing();
  expiring(0);
  wanted(0);
  core.ended(1, { why: 'expired', code: 4201 });
  core.renewed(2, 'late');
  assert.deepEqual(drain(core, 2), []);
  core.tick(5_000);
  core.opened(5_000, 'secret');
  const [, hello] = drain(core, 5_000);
  core.frame(5_000, welcome(JSON.parse(/** @type {any} */ (hello).text), FIRST));
  core.renewed(5_001, 'later still');
  assert.deepEqual(drain(core, 5_001), []);
  assert.equal(core.link.is, 'live');
});
