/**
 * A token from where they come from.
 * @param {string | (() => string | Promise<string>)} source
 */
export function tokenFrom(source: string | (() => string | Promise<string>)): Promise<string>;
/**
 * Told what happens. After `ended`, or after `end` was called, only `closed` is.
 * @typedef {object} Listener
 * @property {(token: string) => void} opened
 * @property {(frame: import('./protocol.js').ServerFrame | undefined) => void} received a frame, or nothing
 *   where it could not be read: it stays unacknowledged, so nothing is lost
 * @property {(end: { why: string, code?: number }) => void} ended
 * @property {() => void} closed the WebSocket is gone
 */
export class Connection {
    /**
     * @param {string} url
     * @param {string | (() => string | Promise<string>)} token
     * @param {any} WebSocket
     * @param {Listener} listener
     */
    constructor(url: string, token: string | (() => string | Promise<string>), WebSocket: any, listener: Listener);
    listener: Listener;
    /** Whether there is a WebSocket whose end is to be waited for. */
    get isUp(): boolean;
    /** @param {string} text */
    write(text: string): void;
    /**
     * Ends it from this side.
     * @param {number | undefined} code
     */
    end(code: number | undefined): void;
    #private;
}
/**
 * Told what happens. After `ended`, or after `end` was called, only `closed` is.
 */
export type Listener = {
    opened: (token: string) => void;
    /**
     * a frame, or nothing
     * where it could not be read: it stays unacknowledged, so nothing is lost
     */
    received: (frame: import("./protocol.js").ServerFrame | undefined) => void;
    ended: (end: {
        why: string;
        code?: number;
    }) => void;
    /**
     * the WebSocket is gone
     */
    closed: () => void;
};
