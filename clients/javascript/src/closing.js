/** What the end of a connection means. The range of the close code decides. */

/**
 * @typedef {{ next: 'at_once' } | { next: 'back_off' } | { next: 'token', change: string }
 *   | { next: 'stop', change: string }} Verdict
 */

/** @type {Record<number, string>} */
const CHANGES = {
  4202: "this client does not speak the gateway's protocol: use a newer client",
  4203: "this client does not speak the gateway's protocol: use a newer client",
  4204: 'another program uses the same device: end it, or choose another device id',
  4205: 'the user has as many devices as one may have: use the id of one of them',
};

/**
 * @param {number} code
 * @returns {Verdict}
 */
export function verdict(code) {
  if (code >= 4000 && code <= 4099) return { next: 'at_once' };
  if (code < 4200 || code > 4299) return { next: 'back_off' };
  if (code === 4200 || code === 4201 || code === 4206) return { next: 'token', change: 'a new token is needed' };
  const change = CHANGES[code] ?? 'the gateway wants something to change first; its reason says what';
  return { next: 'stop', change };
}
