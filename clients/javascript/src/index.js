/**
 * A client of ChatCluster: one device of one user, kept connected.
 *
 * ```js
 * import { ChatClient } from 'chatcluster';
 *
 * const client = new ChatClient({ endpoints: ['wss://chat.example.com'], device: 'laptop', token });
 * client.on('message', (message) => console.log(`${message.from}: ${message.content.body}`));
 * client.connect();
 * const sent = await client.send({ user: 'bob' }, 'hello'); // stored for every device of bob
 * ```
 *
 * @module
 */
export { ChatClient } from './client.js';
export { FatalError, PrivacyError, QueryError, SendError } from './errors.js';
export { isCopy, newGroup, newReference } from './ids.js';
export { GROUP_CHANGE } from './protocol.js';
export { memoryStorage, webStorage } from './storage.js';

/** @typedef {import('./client.js').Options} Options */
/** @typedef {import('./client.js').Events} Events */
/** @typedef {import('./client.js').HistoryQuery} HistoryQuery */
/** @typedef {import('./storage.js').ResumeStorage} ResumeStorage */
/** @typedef {import('./storage.js').Resume} Resume */
/** @typedef {import('./protocol.js').Content} Content */
/** @typedef {import('./protocol.js').Recipient} Recipient */
/** @typedef {import('./protocol.js').Message} Message */
/** @typedef {import('./protocol.js').Receipt} Receipt */
/** @typedef {import('./protocol.js').IsTyping} IsTyping */
/** @typedef {import('./protocol.js').UserPresence} UserPresence */
/** @typedef {import('./protocol.js').PresenceTo} PresenceTo */
/** @typedef {import('./protocol.js').Sent} Sent */
/** @typedef {import('./protocol.js').HistoryPage} HistoryPage */
/** @typedef {import('./protocol.js').GroupChange} GroupChange */
/** @typedef {import('./protocol.js').GroupState} GroupState */
/** @typedef {import('./protocol.js').Receipts} Receipts */
