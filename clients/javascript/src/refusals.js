/** What an error of the gateway means for the request that it answers: made again later, or over. */

import { PrivacyError, QueryError, SendError } from './errors.js';

/** The user has asked for more than one may in this time; `retry_after` says when there is room again. */
export const RATE_LIMITED = 'rate_limited';

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
export function refused(requests, error, again) {
  if (requests.typing.refused(error.id)) return { effects: [] };
  return refusedWatch(requests, error, again) ?? refusedSend(requests, error, again)
    ?? refusedMark(requests, error, again) ?? refusedQuery(requests, error, again);
}

/** @type {typeof refused} */
function refusedWatch({ watching }, error, again) {
  const failures = watching.failures(error.id);
  if (failures === undefined) return undefined;
  if (error.temporary) {
    watching.again(error.id, again(failures));
    return { effects: [] };
  }
  const unwatched = watching.watchAnswered(error.id);
  const result = new PrivacyError('refused', `the setting was refused: ${error.text}`, error);
  const tickets = watching.privacyAnswered(error.id);
  return { effects: tickets.map((ticket) => ({ do: 'privacy', ticket, result })), unwatched };
}

/** @type {typeof refused} */
function refusedSend({ outbox }, error, again) {
  const entry = error.ref !== undefined ? outbox.find(error.ref)
    : error.id !== undefined ? outbox.inFlight(error.id) : undefined;
  if (!entry) return undefined;
  if (!entry.flight) return { effects: [] };
  if (error.temporary) {
    const at = again(entry.failures);
    if (error.code === RATE_LIMITED) outbox.pause(at);
    outbox.again(entry, at);
    return { effects: [] };
  }
  outbox.remove(entry.ref);
  const result = new SendError('refused', `the message was refused: ${error.text}`, error);
  return { effects: [{ do: 'sent', ref: entry.ref, result }] };
}

/** @type {typeof refused} */
function refusedMark({ marks }, error, again) {
  const mark = marks.find(error.id);
  if (!mark || error.id === undefined) return undefined;
  // One that is refused for good is dropped: the next one of its conversation stands for it.
  if (error.temporary) marks.again(mark, again(mark.failures));
  else marks.answered(error.id);
  return { effects: [] };
}

/** @type {typeof refused} */
function refusedQuery({ queries }, error, again) {
  if (error.id === undefined) return undefined;
  if (error.code === RATE_LIMITED && queries.again(error.id, again(0))) return { effects: [] };
  const ticket = queries.answered(error.id);
  if (ticket === undefined) return undefined;
  const result = new QueryError('refused', `the request was refused: ${error.text}`, error);
  return { effects: [{ do: 'answer', ticket, result }] };
}
