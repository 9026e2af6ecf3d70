/** Names that the client makes, and what two message ids have to do with each other. */

const encoder = new TextEncoder();

/** What a user id must be, in words. */
export const USER_ID = '1 to 128 characters of [A-Za-z0-9._:@+-]';

/**
 * Whether somebody can have this id.
 * @param {unknown} id
 */
export function isUserId(id) {
  return typeof id === 'string' && /^[A-Za-z0-9._:@+-]{1,128}$/.test(id);
}

/**
 * A fresh reference for a send. Keep it to repeat the send safely, within 7 days.
 * @returns {string}
 */
export function newReference() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * A fresh name for a group.
 * @returns {string}
 */
export function newGroup() {
  // Not `crypto.randomUUID`, which pages have only over HTTPS.
  const random = crypto.getRandomValues(new Uint8Array(16));
  const text = Array.from(random, (byte, at) => {
    const fixed = at === 6 ? (byte & 0x0f) | 0x40 : at === 8 ? (byte & 0x3f) | 0x80 : byte;
    return fixed.toString(16).padStart(2, '0');
  }).join('');
  return text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * The identity of a message: the low 62 bits of its id. The two bits above them are the same in every
 * UUID, so the last two groups of its text say as much.
 * @param {string} id
 */
export function identity(id) {
  return id.slice(19);
}

/**
 * Whether two ids are copies of one message, which is to be shown once.
 * @param {string} one
 * @param {string} other
 */
export function isCopy(one, other) {
  return identity(one) === identity(other);
}

/**
 * The higher of two ids.
 * @param {string | undefined} one
 * @param {string} other
 */
export function highest(one, other) {
  return one === undefined || other > one ? other : one;
}

/**
 * Bytes of a text in UTF-8, which is what limits count.
 * @param {string} text
 */
export function byteLength(text) {
  return encoder.encode(text).length;
}
