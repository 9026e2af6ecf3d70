/** @typedef {import('./protocol.js').ProtocolError} ProtocolError */
/** @typedef {import('./core-types.js').Effect} Effect */
/**
 * What may have a request under way.
 * @typedef {object} Requests
 * @property {import('./outbox.js').Outbox} outbox
 * @property {import('./marks.js').Marks} marks
 * @property {import('./queries.js').Queries} queries
 * @property {import('./typing.js').Typing} typing
 * @property {import('./watching.js').Watching} watching
 */
/**
 * What follows from an error: answers, and whether the application is to be told that its list is not watched.
 * @typedef {{ effects: Effect[], unwatched?: boolean }} Outcome
 */
/**
 * Undefined of an error that answers none of these.
 * @param {Requests} requests
 * @param {ProtocolError} error
 * @param {(failures: number) => number} again when to make a request again that has failed so often before
 * @returns {Outcome | undefined}
 */
export function refused(requests: Requests, error: ProtocolError, again: (failures: number) => number): Outcome | undefined;
/** The user has asked for more than one may in this time; `retry_after` says when there is room again. */
export const RATE_LIMITED: "rate_limited";
export type ProtocolError = import("./protocol.js").ProtocolError;
export type Effect = import("./core-types.js").Effect;
/**
 * What may have a request under way.
 */
export type Requests = {
    outbox: import("./outbox.js").Outbox;
    marks: import("./marks.js").Marks;
    queries: import("./queries.js").Queries;
    typing: import("./typing.js").Typing;
    watching: import("./watching.js").Watching;
};
/**
 * What follows from an error: answers, and whether the application is to be told that its list is not watched.
 */
export type Outcome = {
    effects: Effect[];
    unwatched?: boolean;
};
