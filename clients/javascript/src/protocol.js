/**
 * The frames of protocol version 1 that this client reads and writes, as types. No code of its own
 * beyond the numbers that both sides agreed on.
 *
 * Ids are lower-case UUIDs of version 7, so they sort as text. Times are milliseconds UTC.
 */

/** The WebSocket subprotocol. */
export const SUBPROTOCOL = 'chatcluster.v1';

/** The content type of messages that change a group. */
export const GROUP_CHANGE = 'application/vnd.chatcluster.group+json';

/** How long a reference is remembered where no gateway has told yet, in milliseconds. */
export const REFERENCE_LIFETIME = 7 * 24 * 3600 * 1000;

/**
 * What a message says. The servers do not look inside.
 * @typedef {object} Content
 * @property {string} [type] a media type, text/plain where none is named
 * @property {string} body at most 32 KiB of UTF-8
 */

/** @typedef {{ user: string } | { group: string }} Recipient a user, or everybody in a group */

/**
 * A change of a group; the first of all creates it.
 * @typedef {{ create: { name: string, members?: string[] } } | { add: string[] } | { remove: string[] }
 *   | { leave: {} } | { rename: string } | { role: { user: string, role: Role } }} GroupChange
 */

/** @typedef {'owner' | 'admin' | 'member'} Role */

/**
 * @typedef {object} GroupState
 * @property {number} id
 * @property {string} group
 * @property {string} name
 * @property {{ user: string, role: Role }[]} members who takes part, by name
 */

/**
 * How many have received and read a message of this user's.
 * @typedef {object} Receipts
 * @property {number} id
 * @property {string} message
 * @property {number} of how many users it is for
 * @property {number} delivered how many of them have it on a device
 * @property {number} read how many of them have read it
 * @property {{ user: string, delivered: boolean, read: boolean }[]} [members] each of them, where asked for
 */

/**
 * @typedef {object} Message
 * @property {string} message the message's id, and its place in the conversation
 * @property {string} conversation
 * @property {string} from
 * @property {string} device
 * @property {Recipient} to
 * @property {number} at
 * @property {Content} content
 */

/**
 * How far a user has received what this user sent in a conversation, or has read it. Of this user: another
 * device of theirs has read that far.
 * @typedef {object} Receipt
 * @property {string} receipt the receipt's own id
 * @property {'delivered' | 'read' | string} kind
 * @property {string} conversation
 * @property {string} user who received, or has read
 * @property {string} up_to the highest message id that this is true of
 * @property {number} at
 */

/**
 * Somebody is typing: to be shown for this long, unless another one of that user in that conversation comes
 * before, or a message.
 * @typedef {object} IsTyping
 * @property {string} from
 * @property {string} conversation
 * @property {number} expires_in milliseconds; 0 when they have stopped
 */

/**
 * Whether a user is online. Whoever does not let this user see it looks like somebody of whom nothing is known.
 * @typedef {object} UserPresence
 * @property {string} user
 * @property {boolean} online
 * @property {number} [last_seen] milliseconds UTC, give or take minutes; not while they are online
 */

/**
 * Who may see when a user is online; contacts are those whom the user has written to.
 * @typedef {'nobody' | 'contacts' | 'everybody'} PresenceTo
 */

/**
 * @typedef {object} Sent
 * @property {number} id
 * @property {string} ref
 * @property {string} message
 * @property {string} conversation
 * @property {number} at
 */

/**
 * @typedef {object} Marked
 * @property {number} id
 * @property {string} conversation
 * @property {string} up_to where the mark is now
 */

/**
 * @typedef {object} HistoryPage
 * @property {number} id
 * @property {Message[]} messages rising ids with `after`, else falling ones
 * @property {string} [next] there is more: ask again with this as `before` or `after`
 * @property {number} stable_up_to
 */

/**
 * @typedef {object} Limits
 * @property {number} frame
 * @property {number} body
 * @property {number} sends_in_flight
 * @property {number} ack_ids
 * @property {number} [histories_in_flight]
 * @property {number} [reads_in_flight]
 * @property {number} history_page
 * @property {number} reference_lifetime
 */

/**
 * @typedef {object} Welcome
 * @property {number} id
 * @property {string} user
 * @property {string} device
 * @property {boolean} [new_device]
 * @property {string} session
 * @property {number} epoch
 * @property {number} heartbeat milliseconds
 * @property {number} time
 * @property {number} [expires] when the token does
 * @property {Limits} limits
 */

/**
 * @typedef {object} ProtocolError
 * @property {number} [id]
 * @property {string} [ref]
 * @property {string} code
 * @property {string} [field]
 * @property {string} text
 * @property {boolean} temporary
 * @property {number} [retry_after] milliseconds
 */

/**
 * @typedef {({ type: 'welcome' } & Welcome)
 *   | { type: 'caught_up' }
 *   | ({ type: 'sent' } & Sent)
 *   | ({ type: 'message' } & Message)
 *   | ({ type: 'receipt' } & Receipt)
 *   | ({ type: 'typing' } & IsTyping)
 *   | { type: 'presence', id?: number, users: UserPresence[] }
 *   | { type: 'privacy', id: number, presence_to: PresenceTo }
 *   | ({ type: 'marked' } & Marked)
 *   | ({ type: 'history' } & HistoryPage)
 *   | ({ type: 'group' } & GroupState)
 *   | ({ type: 'receipts' } & Receipts)
 *   | ({ type: 'error' } & ProtocolError)
 *   | { type: 'pong', id: number, time: number }
 *   | { type: 'refreshed', id: number, expires?: number }
 *   | { type: 'expiring', expires: number }
 *   | { type: 'reconnect', after: number, reason: string }} ServerFrame
 */
