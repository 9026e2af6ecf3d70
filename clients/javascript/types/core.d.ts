/**
 * @typedef {object} CoreOptions
 * @property {string[]} endpoints
 * @property {string} device
 * @property {import('./backoff.js').Backoff} backoff
 * @property {number} outbox
 * @property {boolean} tokenRenews
 * @property {() => number} random
 * @property {Resume} [resume]
 */
/**
 * What the shell is to do.
 * @typedef {{ do: 'dial', url: string } | { do: 'write', text: string } | { do: 'drop' } | { do: 'goodbye' }
 *   | { do: 'sent', ref: string, result: import('./protocol.js').Sent | SendError }
 *   | { do: 'page', ticket: number, result: import('./protocol.js').HistoryPage | HistoryError }} Effect
 */
/**
 * What the application is told, in order.
 * @typedef {{ name: 'connected', value: { user: string, device: string, session: string, gateway: string } }
 *   | { name: 'caught_up', value: undefined }
 *   | { name: 'message', value: import('./protocol.js').Message }
 *   | { name: 'receipt', value: import('./protocol.js').Receipt }
 *   | { name: 'disconnected', value: { why: string, code?: number, retryIn: number } }
 *   | { name: 'fatal', value: FatalError }} Event
 */
/**
 * Where the client is with its connection.
 * @typedef {{ is: 'waiting', until: number }
 *   | { is: 'dialing', until: number }
 *   | { is: 'opening', until: number, hello: number, words?: ProtocolError }
 *   | { is: 'live', heartbeat: Heartbeat, limits: import('./protocol.js').Limits, since: number,
 *       leave?: number, words?: ProtocolError }
 *   | { is: 'stopped', error?: FatalError }} Link
 */
export class Core {
    /** @param {CoreOptions} options */
    constructor(options: CoreOptions);
    /** @type {Link} */
    link: Link;
    /** @type {Event[]} */
    events: Event[];
    options: CoreOptions;
    outbox: Outbox;
    highest: string | undefined;
    epoch: number | undefined;
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
     * The application asks for history. Once taken in, the answer comes as an effect.
     * @param {number} ticket
     * @param {object} query
     */
    history(ticket: number, query: object): void;
    /**
     * The application has dealt with an event; a message or a receipt that it kept is acknowledged, one
     * that it could not keep comes again.
     * @param {Event} event
     * @param {boolean} kept
     */
    taken(event: Event, kept: boolean): void;
    /** The application is done: acks that are due are written, then the connection is closed. */
    close(): void;
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
export type CoreOptions = {
    endpoints: string[];
    device: string;
    backoff: import("./backoff.js").Backoff;
    outbox: number;
    tokenRenews: boolean;
    random: () => number;
    resume?: import("./storage.js").Resume | undefined;
};
/**
 * What the shell is to do.
 */
export type Effect = {
    do: "dial";
    url: string;
} | {
    do: "write";
    text: string;
} | {
    do: "drop";
} | {
    do: "goodbye";
} | {
    do: "sent";
    ref: string;
    result: import("./protocol.js").Sent | SendError;
} | {
    do: "page";
    ticket: number;
    result: import("./protocol.js").HistoryPage | HistoryError;
};
/**
 * What the application is told, in order.
 */
export type Event = {
    name: "connected";
    value: {
        user: string;
        device: string;
        session: string;
        gateway: string;
    };
} | {
    name: "caught_up";
    value: undefined;
} | {
    name: "message";
    value: import("./protocol.js").Message;
} | {
    name: "receipt";
    value: import("./protocol.js").Receipt;
} | {
    name: "disconnected";
    value: {
        why: string;
        code?: number;
        retryIn: number;
    };
} | {
    name: "fatal";
    value: FatalError;
};
/**
 * Where the client is with its connection.
 */
export type Link = {
    is: "waiting";
    until: number;
} | {
    is: "dialing";
    until: number;
} | {
    is: "opening";
    until: number;
    hello: number;
    words?: ProtocolError;
} | {
    is: "live";
    heartbeat: Heartbeat;
    limits: import("./protocol.js").Limits;
    since: number;
    leave?: number;
    words?: ProtocolError;
} | {
    is: "stopped";
    error?: FatalError;
};
import { Outbox } from './outbox.js';
import { SendError } from './errors.js';
import { HistoryError } from './errors.js';
import { FatalError } from './errors.js';
import { Heartbeat } from './heartbeat.js';
