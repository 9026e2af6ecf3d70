/**
 * @param {Backoff} backoff
 * @param {number} failures failures in a row
 */
export function ceiling({ base, cap }: Backoff, failures: number): number;
/**
 * A wait: what the other side asked for, and a jitter on top, since it asked the others for the same.
 * @param {() => number} random 0 to 1
 * @param {number} most
 * @param {number} [asked]
 */
export function jitter(random: () => number, most: number, asked?: number): number;
/** When to dial again: full jitter over an exponential, so that clients which lost one gateway at the
 * same moment do not meet again at the next. Milliseconds. */
/**
 * @typedef {object} Backoff
 * @property {number} base the longest first wait; each further failure doubles it
 * @property {number} cap the longest wait
 */
/** @type {Backoff} */
export const BACKOFF: Backoff;
export type Backoff = {
    /**
     * the longest first wait; each further failure doubles it
     */
    base: number;
    /**
     * the longest wait
     */
    cap: number;
};
