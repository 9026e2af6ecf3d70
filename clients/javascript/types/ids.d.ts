/**
 * Whether somebody can have this id.
 * @param {unknown} id
 */
export function isUserId(id: unknown): boolean;
/**
 * A fresh reference for a send. Keep it to repeat the send safely, within 7 days.
 * @returns {string}
 */
export function newReference(): string;
/**
 * A fresh name for a group.
 * @returns {string}
 */
export function newGroup(): string;
/**
 * The identity of a message: the low 62 bits of its id. The two bits above them are the same in every
 * UUID, so the last two groups of its text say as much.
 * @param {string} id
 */
export function identity(id: string): string;
/**
 * Whether two ids are copies of one message, which is to be shown once.
 * @param {string} one
 * @param {string} other
 */
export function isCopy(one: string, other: string): boolean;
/**
 * The higher of two ids.
 * @param {string | undefined} one
 * @param {string} other
 */
export function highest(one: string | undefined, other: string): string;
/**
 * Bytes of a text in UTF-8, which is what limits count.
 * @param {string} text
 */
export function byteLength(text: string): number;
/** What a user id must be, in words. */
export const USER_ID: "1 to 128 characters of [A-Za-z0-9._:@+-]";
