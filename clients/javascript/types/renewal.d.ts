/**
 * The token lasts; the application is asked for another one; the gateway is asked to go on with it; that
 * failed, and it begins again at `until`.
 * @typedef {{ is: 'rest' } | { is: 'fetching', until: number } | { is: 'asking', id: number, since: number }
 *   | { is: 'waiting', until: number }} Step
 */
export class Renewal {
    /**
     * @param {number | undefined} expires when the session's first token does
     * @param {{ backoff: import('./backoff.js').Backoff, random: () => number }} options
     */
    constructor(expires: number | undefined, { backoff, random }: {
        backoff: import("./backoff.js").Backoff;
        random: () => number;
    });
    expires: number | undefined;
    backoff: import("./backoff.js").Backoff;
    random: () => number;
    /**
     * The gateway says that the token expires soon.
     * @param {number} now
     * @returns {boolean} whether another one is to be had
     */
    expiring(now: number): boolean;
    /**
     * Time has passed.
     * @param {number} now
     * @returns {boolean} whether another token is to be had
     */
    tick(now: number): boolean;
    /** When `tick` has something to do. */
    deadline(): number;
    /** When the request was written that has no answer yet. */
    asked(): number;
    /**
     * The application has a token, or has none.
     * @param {number} now
     * @param {number} id of the request that hands it in
     * @param {string | undefined} token
     * @returns {boolean} whether that is to be written
     */
    had(now: number, id: number, token: string | undefined): boolean;
    /**
     * The gateway goes on with a token. A source that gave the same one again has to be asked again.
     * @param {number} now
     * @param {{ id: number, expires?: number }} answer
     */
    refreshed(now: number, { id, expires }: {
        id: number;
        expires?: number;
    }): void;
    /**
     * @param {number} now
     * @param {number | undefined} id the request that was refused
     * @param {number} asked how long the gateway asked to wait
     * @returns {boolean} whether it was this one's
     */
    refused(now: number, id: number | undefined, asked: number): boolean;
    #private;
}
/**
 * The token lasts; the application is asked for another one; the gateway is asked to go on with it; that
 * failed, and it begins again at `until`.
 */
export type Step = {
    is: "rest";
} | {
    is: "fetching";
    until: number;
} | {
    is: "asking";
    id: number;
    since: number;
} | {
    is: "waiting";
    until: number;
};
