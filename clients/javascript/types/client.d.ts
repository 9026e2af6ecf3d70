/**
 * @typedef {object} Options
 * @property {string[]} endpoints URLs of gateways, `wss://host:port`, tried in turn
 * @property {string} device which of the user's devices this is: the same in every run, and in no two
 *   programs at a time
 * @property {string | (() => string | Promise<string>)} token the token, or where to get one for each
 *   connection; a function is asked again before a token expires, and should then give one that lasts longer
 * @property {import('./storage.js').ResumeStorage} [storage] where the device keeps what it remembers;
 *   in memory where absent
 * @property {typeof globalThis.WebSocket | any} [WebSocket] an implementation, where the platform has
 *   none (Node.js before 22: the `ws` package)
 * @property {import('./backoff.js').Backoff} [backoff]
 * @property {number} [outbox] most sends without an answer; 1024 where absent
 */
/**
 * What can be listened to. Handlers run one after the other, in order. A message or a receipt is
 * acknowledged when its handler's promise is fulfilled; one whose handler threw, and a message that has no
 * handler, stays in the inbox and comes again with the next session.
 * @typedef {object} Events
 * @property {{ user: string, device: string, newDevice: boolean, session: string, gateway: string, expires?: number }} connected
 * @property {undefined} caught_up what waited while the device was away has been shown
 * @property {import('./protocol.js').Message} message once each; its id is its place
 * @property {import('./protocol.js').Receipt} receipt
 * @property {import('./protocol.js').IsTyping} typing somebody types, or has stopped
 * @property {import('./protocol.js').UserPresence} presence whether a user is online whom `watch` names: as it is now,
 *   told at first, when it has changed, and on each connection
 * @property {import('./protocol.js').ProtocolError} watch_refused the gateway does not take whom `watch` names, and
 *   would not later: nothing new is told of them over this connection
 * @property {{ expires: number }} expiring the token expires soon, milliseconds UTC, and the client with it:
 *   it has no other one, since `token` is a string
 * @property {{ why: string, code?: number, retryIn: number }} disconnected tries again by itself
 * @property {import('./errors.js').FatalError} fatal stopped; somebody must change something
 */
/**
 * Which page of which conversation: either of `user` or of `conversation`. With `after` it goes forward in
 * time, else backward from `before` or from the newest message.
 * @typedef {object} HistoryQuery
 * @property {string} [user]
 * @property {string} [conversation]
 * @property {string} [before]
 * @property {string} [after]
 * @property {string} [sender]
 * @property {string} [content_type] a media type, or `image/*` for all of a family
 * @property {number} [since] of this time or later, milliseconds UTC
 * @property {number} [until] before this time, milliseconds UTC
 * @property {number} [limit] 1 to 100; 50 where absent
 */
export class ChatClient {
    /** @param {Options} options */
    constructor(options: Options);
    /**
     * @template {keyof Events} Name
     * @param {Name} name
     * @param {(value: Events[Name]) => unknown} handler
     * @returns {() => void} stops listening
     */
    on<Name extends keyof Events>(name: Name, handler: (value: Events[Name]) => unknown): () => void;
    /** Connects, and again whenever a connection ends. Add handlers first. */
    connect(): void;
    /** Where the client is: `idle` before `connect`, `live` while a session is open. */
    get state(): "waiting" | "dialing" | "opening" | "live" | "stopped" | "idle";
    /** What the gateway has told of its limits, while a session is open. */
    get limits(): import("./protocol.js").Limits | undefined;
    /**
     * Sends a message, now or when there is a session. Messages to one recipient arrive in the order of these
     * calls. Rejects with a SendError.
     * @param {import('./protocol.js').Recipient} to
     * @param {string | import('./protocol.js').Content} content
     * @param {{ ref?: string }} [options] a reference of the application's own: repeating it within 7 days
     *   never makes a second message
     * @returns {Promise<import('./protocol.js').Sent>}
     */
    send(to: import("./protocol.js").Recipient, content: string | import("./protocol.js").Content, { ref }?: {
        ref?: string;
    }): Promise<import("./protocol.js").Sent>;
    /**
     * A page of what was said. Asked again by itself when the connection is lost. Rejects with a QueryError.
     * @param {HistoryQuery} query
     * @returns {Promise<import('./protocol.js').HistoryPage>}
     */
    history(query: HistoryQuery): Promise<import("./protocol.js").HistoryPage>;
    /**
     * Makes a group of this user, who owns it, and of these members, at most 100: more are added by
     * `changeGroup`. Rejects with a SendError.
     * @param {string} name
     * @param {string[]} [members]
     * @returns {Promise<string>} the group, once it is there
     */
    createGroup(name: string, members?: string[]): Promise<string>;
    /**
     * Changes a group, by a message to it: what is sent to the group after this call finds it changed. Rejects
     * with a SendError, also where the user may not make this change.
     * @param {string} group
     * @param {import('./protocol.js').GroupChange} change
     * @returns {Promise<import('./protocol.js').Sent>}
     */
    changeGroup(group: string, change: import("./protocol.js").GroupChange): Promise<import("./protocol.js").Sent>;
    /**
     * Who takes part in a group. Asked again by itself when the connection is lost. Rejects with a QueryError.
     * @param {string} group
     * @returns {Promise<import('./protocol.js').GroupState>}
     */
    group(group: string): Promise<import("./protocol.js").GroupState>;
    /**
     * How many have received and read a message of this user's, as of now; who of them, with `members`. In a
     * conversation of two `receipt` says so by itself; in a group nobody sends receipts, so ask while it is shown.
     * Asked again by itself when the connection is lost. Rejects with a QueryError.
     * @param {string} message
     * @param {{ members?: boolean }} [options]
     * @returns {Promise<import('./protocol.js').Receipts>}
     */
    receipts(message: string, { members }?: {
        members?: boolean;
    }): Promise<import("./protocol.js").Receipts>;
    /**
     * The user has read a conversation up to this message. The others in it are told, and so are the user's other
     * devices (`receipt` of kind `read`). Call it as often as you like: a lower mark changes nothing, and what
     * has no answer is sent again on the next connection. It ends with the client; the next message that is
     * read makes up for it.
     * @param {string} conversation
     * @param {string} upTo
     */
    read(conversation: string, upTo: string): Promise<void>;
    /**
     * The user is typing to somebody, or has stopped (`active` is false). Call it with every key: what says nothing
     * new is not sent. Whoever is connected is told, now or not at all; groups are not. A message
     * ends it by itself.
     * @param {import('./protocol.js').Recipient} to
     * @param {boolean} [active]
     */
    typing(to: import("./protocol.js").Recipient, active?: boolean): void;
    /**
     * Watches who of these users is online, and nobody else: `presence` tells, until another call. Each connection
     * begins with it anew. Rejects with a RangeError where they are more than 100, and with a TypeError where one of
     * them is no user id; nothing has changed then.
     * @param {string[]} users
     */
    watch(users: string[]): Promise<void>;
    /**
     * Sets who may see when the user is online, or asks who may. Fulfilled once it is stored, which takes effect
     * within about a minute. Asked again by itself when the connection is lost. Rejects with a PrivacyError.
     * @param {import('./protocol.js').PresenceTo} [to]
     * @returns {Promise<import('./protocol.js').PresenceTo>}
     */
    privacy(to?: import("./protocol.js").PresenceTo): Promise<import("./protocol.js").PresenceTo>;
    /** Writes the acks and marks that are due, closes the connection, saves, and ends the client. */
    close(): Promise<void>;
    #private;
}
export type Options = {
    /**
     * URLs of gateways, `wss://host:port`, tried in turn
     */
    endpoints: string[];
    /**
     * which of the user's devices this is: the same in every run, and in no two
     * programs at a time
     */
    device: string;
    /**
     * the token, or where to get one for each
     * connection; a function is asked again before a token expires, and should then give one that lasts longer
     */
    token: string | (() => string | Promise<string>);
    /**
     * where the device keeps what it remembers;
     * in memory where absent
     */
    storage?: import("./storage.js").ResumeStorage | undefined;
    /**
     * an implementation, where the platform has
     * none (Node.js before 22: the `ws` package)
     */
    WebSocket?: typeof globalThis.WebSocket | any;
    backoff?: import("./backoff.js").Backoff | undefined;
    /**
     * most sends without an answer; 1024 where absent
     */
    outbox?: number | undefined;
};
/**
 * What can be listened to. Handlers run one after the other, in order. A message or a receipt is
 * acknowledged when its handler's promise is fulfilled; one whose handler threw, and a message that has no
 * handler, stays in the inbox and comes again with the next session.
 */
export type Events = {
    connected: {
        user: string;
        device: string;
        newDevice: boolean;
        session: string;
        gateway: string;
        expires?: number;
    };
    /**
     * what waited while the device was away has been shown
     */
    caught_up: undefined;
    /**
     * once each; its id is its place
     */
    message: import("./protocol.js").Message;
    receipt: import("./protocol.js").Receipt;
    /**
     * somebody types, or has stopped
     */
    typing: import("./protocol.js").IsTyping;
    /**
     * whether a user is online whom `watch` names: as it is now,
     * told at first, when it has changed, and on each connection
     */
    presence: import("./protocol.js").UserPresence;
    /**
     * the gateway does not take whom `watch` names, and
     * would not later: nothing new is told of them over this connection
     */
    watch_refused: import("./protocol.js").ProtocolError;
    /**
     * the token expires soon, milliseconds UTC, and the client with it:
     * it has no other one, since `token` is a string
     */
    expiring: {
        expires: number;
    };
    /**
     * tries again by itself
     */
    disconnected: {
        why: string;
        code?: number;
        retryIn: number;
    };
    /**
     * stopped; somebody must change something
     */
    fatal: import("./errors.js").FatalError;
};
/**
 * Which page of which conversation: either of `user` or of `conversation`. With `after` it goes forward in
 * time, else backward from `before` or from the newest message.
 */
export type HistoryQuery = {
    user?: string | undefined;
    conversation?: string | undefined;
    before?: string | undefined;
    after?: string | undefined;
    sender?: string | undefined;
    /**
     * a media type, or `image/*` for all of a family
     */
    content_type?: string | undefined;
    /**
     * of this time or later, milliseconds UTC
     */
    since?: number | undefined;
    /**
     * before this time, milliseconds UTC
     */
    until?: number | undefined;
    /**
     * 1 to 100; 50 where absent
     */
    limit?: number | undefined;
};
