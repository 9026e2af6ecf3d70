/** @typedef {import('./core-types.js').CoreOptions} CoreOptions */
/** @typedef {import('./core-types.js').Effect} Effect */
/** @typedef {import('./core-types.js').Event} Event */
/** @typedef {import('./core-types.js').Link} Link */
export class Core {
    /** @param {CoreOptions} options */
    constructor(options: CoreOptions);
    /** @type {Link} */
    link: Link;
    options: import("./core-types.js").CoreOptions;
    outbox: Outbox;
    highest: string | undefined;
    epoch: number | undefined;
    /** What the application has not taken yet. */
    get events(): import("./core-types.js").Event[];
    /** @returns {Resume} what to keep for the next run */
    resume(): Resume;
    /**
     * The application sends. Once taken in, the answer comes as an effect.
     * @param {{ ref: string, to: import('./protocol.js').Recipient, content: import('./protocol.js').Content }} send
     */
    send(send: {
        ref: string;
        to: import("./protocol.js").Recipient;
        content: import("./protocol.js").Content;
    }): void;
    /**
     * The application asks something that has an answer: `history`, `group` or `receipts`. Once taken in, the answer comes
     * as an effect.
     * @param {number} ticket
     * @param {{ type: 'history' | 'group' | 'receipts', [field: string]: unknown }} query
     */
    ask(ticket: number, query: {
        type: "history" | "group" | "receipts";
        [field: string]: unknown;
    }): void;
    /**
     * The user has read a conversation so far.
     * @param {string} conversation
     * @param {string} upTo
     */
    read(conversation: string, upTo: string): void;
    /**
     * The user is typing to somebody, or has stopped. Groups are not told.
     * @param {number} now
     * @param {import('./protocol.js').Recipient} to
     * @param {boolean} active
     */
    typing(now: number, to: import("./protocol.js").Recipient, active: boolean): void;
    /**
     * The application watches these users, and nobody else.
     * @param {string[]} users
     */
    watch(users: string[]): void;
    /**
     * The user sets who may see them, or asks. The answer comes as an effect.
     * @param {number} ticket
     * @param {import('./protocol.js').PresenceTo} [to]
     */
    privacy(ticket: number, to?: import("./protocol.js").PresenceTo): void;
    /**
     * The application has dealt with an event; a message or a receipt that it kept is acknowledged, one
     * that it could not keep comes again.
     * @param {Event} event
     * @param {boolean} kept
     */
    taken(event: Event, kept: boolean): void;
    /**
     * The application is done: acks and marks that are due are written, then the connection is closed.
     * @param {number} now
     */
    close(now: number): void;
    /**
     * The next thing to do.
     * @param {number} now
     * @returns {Effect | undefined}
     */
    pollEffect(now: number): Effect | undefined;
    /**
     * The connection that was dialled is open; `token` opens the session.
     * @param {number} now
     * @param {string} token
     */
    opened(now: number, token: string): void;
    /**
     * The application has a fresh token for the open session, or has none.
     * @param {number} now
     * @param {string | undefined} token
     */
    renewed(now: number, token: string | undefined): void;
    /** @param {number} now */
    heard(now: number): void;
    /**
     * A frame came.
     * @param {number} now
     * @param {ServerFrame} frame
     */
    frame(now: number, frame: ServerFrame): void;
    /**
     * The connection ended, or could not be opened. The shell has dropped it.
     * @param {number} now
     * @param {{ why: string, code?: number, leaving?: boolean }} end
     */
    ended(now: number, end: {
        why: string;
        code?: number;
        leaving?: boolean;
    }): void;
    /**
     * When `tick` has something to do.
     * @param {number} now
     */
    deadline(now: number): number;
    /**
     * Time has passed.
     * @param {number} now
     */
    tick(now: number): void;
    /**
     * To be called after frames: gives the connection up if the application is too far behind.
     * @param {number} now
     */
    checkOverrun(now: number): void;
    #private;
}
export type ServerFrame = import("./protocol.js").ServerFrame;
export type ProtocolError = import("./protocol.js").ProtocolError;
export type Resume = import("./storage.js").Resume;
export type CoreOptions = import("./core-types.js").CoreOptions;
export type Effect = import("./core-types.js").Effect;
export type Event = import("./core-types.js").Event;
export type Link = import("./core-types.js").Link;
import { Outbox } from './outbox.js';
