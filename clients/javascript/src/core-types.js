/** What goes into the core and comes out of it, as types. */

/**
 * @typedef {object} CoreOptions
 * @property {string[]} endpoints
 * @property {string} device
 * @property {import('./backoff.js').Backoff} backoff
 * @property {number} outbox
 * @property {boolean} tokenRenews
 * @property {() => number} random
 * @property {import('./storage.js').Resume} [resume]
 */

/**
 * What the gateway answers to a question.
 * @typedef {import('./protocol.js').HistoryPage | import('./protocol.js').GroupState
 *   | import('./protocol.js').Receipts} Answer
 */

/**
 * What the shell is to do.
 * @typedef {{ do: 'dial', url: string } | { do: 'write', text: string } | { do: 'drop' } | { do: 'goodbye' }
 *   | { do: 'renew' }
 *   | { do: 'sent', ref: string, result: import('./protocol.js').Sent | import('./errors.js').SendError }
 *   | { do: 'privacy', ticket: number, result: import('./protocol.js').PresenceTo | import('./errors.js').PrivacyError }
 *   | { do: 'answer', ticket: number, result: Answer | import('./errors.js').QueryError }} Effect
 */

/**
 * What the application is told, in order.
 * @typedef {{ name: 'connected', value: { user: string, device: string, newDevice: boolean, session: string, gateway: string, expires?: number } }
 *   | { name: 'caught_up', value: undefined }
 *   | { name: 'message', value: import('./protocol.js').Message }
 *   | { name: 'receipt', value: import('./protocol.js').Receipt }
 *   | { name: 'typing', value: import('./protocol.js').IsTyping }
 *   | { name: 'presence', value: import('./protocol.js').UserPresence }
 *   | { name: 'watch_refused', value: import('./protocol.js').ProtocolError }
 *   | { name: 'expiring', value: { expires: number } }
 *   | { name: 'disconnected', value: { why: string, code?: number, retryIn: number } }
 *   | { name: 'fatal', value: import('./errors.js').FatalError }} Event
 */

/**
 * Where the client is with its connection.
 * @typedef {{ is: 'waiting', until: number }
 *   | { is: 'dialing', until: number }
 *   | { is: 'opening', until: number, hello: number, words?: import('./protocol.js').ProtocolError }
 *   | { is: 'live', heartbeat: import('./heartbeat.js').Heartbeat, limits: import('./protocol.js').Limits,
 *       renewal: import('./renewal.js').Renewal, since: number, leave?: number, words?: import('./protocol.js').ProtocolError }
 *   | { is: 'stopped', error?: import('./errors.js').FatalError }} Link
 */

export {};
