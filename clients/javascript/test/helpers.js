/** What the tests share. */

import { Core } from '../src/core.js';

/** A generator of numbers from 0 to 1 that repeats itself for the same seed (mulberry32). */
export function random(/** @type {number} */ seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const LIMITS = {
  frame: 65536, body: 32768, sends_in_flight: 4, ack_ids: 3, history_page: 100, reference_lifetime: 6e8,
};

/** An id; two of one `of` are copies of one message. */
export function id(/** @type {number} */ at, /** @type {number} */ of) {
  const hex = at.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-${of.toString(16).padStart(12, '0')}`;
}

/** Before its first connection. */
export function core(options = {}) {
  return new Core({
    endpoints: ['wss://one', 'wss://two'], device: 'phone', backoff: { base: 100, cap: 30_000 },
    outbox: 64, tokenRenews: false, random: random(7), ...options,
  });
}

/** Past `welcome`. */
export function live(options = {}, /** @type {number | undefined} */ expires = undefined) {
  const it = core(options);
  it.tick(0);
  it.opened(0, 'secret');
  const hello = drain(it, 0).find((effect) => effect.do === 'write');
  it.frame(0, welcome(JSON.parse(/** @type {any} */ (hello).text), expires));
  it.events.splice(0);
  return it;
}

/** The answer to `hello`. */
export function welcome(/** @type {any} */ hello, /** @type {number | undefined} */ expires = undefined) {
  return {
    type: /** @type {const} */ ('welcome'), id: hello.id, user: 'alice', device: hello.device, session: 's',
    epoch: (hello.resume?.epoch ?? 0) + 1, heartbeat: 25_000, time: 0, expires, limits: LIMITS,
  };
}

/** What it wants done now. */
export function drain(/** @type {Core} */ it, /** @type {number} */ now) {
  const effects = [];
  for (let effect = it.pollEffect(now); effect; effect = it.pollEffect(now)) effects.push(effect);
  return effects;
}
