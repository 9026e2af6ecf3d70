/** What the tests share. */

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
