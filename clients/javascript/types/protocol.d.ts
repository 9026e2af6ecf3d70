/**
 * The frames of protocol version 1 that this client reads and writes, as types. No code of its own
 * beyond the numbers that both sides agreed on.
 *
 * Ids are lower-case UUIDs of version 7, so they sort as text. Times are milliseconds UTC.
 */
/** The WebSocket subprotocol. */
export const SUBPROTOCOL: "chatcluster.v1";
/** The content type of messages that change a group. */
export const GROUP_CHANGE: "application/vnd.chatcluster.group+json";
/** How long a reference is remembered where no gateway has told yet, in milliseconds. */
export const REFERENCE_LIFETIME: number;
/**
 * What a message says. The servers do not look inside.
 */
export type Content = {
    /**
     * a media type, text/plain where none is named
     */
    type?: string | undefined;
    /**
     * at most 32 KiB of UTF-8
     */
    body: string;
};
/**
 * a user, or everybody in a group
 */
export type Recipient = {
    user: string;
} | {
    group: string;
};
/**
 * A change of a group; the first of all creates it.
 */
export type GroupChange = {
    create: {
        name: string;
        members?: string[];
    };
} | {
    add: string[];
} | {
    remove: string[];
} | {
    leave: {};
} | {
    rename: string;
} | {
    role: {
        user: string;
        role: Role;
    };
};
export type Role = "owner" | "admin" | "member";
export type GroupState = {
    id: number;
    group: string;
    name: string;
    /**
     * who takes part, by name
     */
    members: {
        user: string;
        role: Role;
    }[];
};
/**
 * How many have received and read a message of this user's.
 */
export type Receipts = {
    id: number;
    message: string;
    /**
     * how many users it is for
     */
    of: number;
    /**
     * how many of them have it on a device
     */
    delivered: number;
    /**
     * how many of them have read it
     */
    read: number;
    /**
     * each of them, where asked for
     */
    members?: {
        user: string;
        delivered: boolean;
        read: boolean;
    }[] | undefined;
};
export type Message = {
    /**
     * the message's id, and its place in the conversation
     */
    message: string;
    conversation: string;
    from: string;
    device: string;
    to: Recipient;
    at: number;
    content: Content;
};
/**
 * How far a user has received what this user sent in a conversation, or has read it. Of this user: another
 * device of theirs has read that far.
 */
export type Receipt = {
    /**
     * the receipt's own id
     */
    receipt: string;
    kind: "delivered" | "read" | string;
    conversation: string;
    /**
     * who received, or has read
     */
    user: string;
    /**
     * the highest message id that this is true of
     */
    up_to: string;
    at: number;
};
/**
 * Somebody is typing: to be shown for this long, unless another one of that user in that conversation comes
 * before, or a message.
 */
export type IsTyping = {
    from: string;
    conversation: string;
    /**
     * milliseconds; 0 when they have stopped
     */
    expires_in: number;
};
/**
 * Whether a user is online. Whoever does not let this user see it looks like somebody of whom nothing is known.
 */
export type UserPresence = {
    user: string;
    online: boolean;
    /**
     * milliseconds UTC, give or take minutes; not while they are online
     */
    last_seen?: number | undefined;
};
/**
 * Who may see when a user is online; contacts are those whom the user has written to.
 */
export type PresenceTo = "nobody" | "contacts" | "everybody";
export type Sent = {
    id: number;
    ref: string;
    message: string;
    conversation: string;
    at: number;
};
export type Marked = {
    id: number;
    conversation: string;
    /**
     * where the mark is now
     */
    up_to: string;
};
export type HistoryPage = {
    id: number;
    /**
     * rising ids with `after`, else falling ones
     */
    messages: Message[];
    /**
     * there is more: ask again with this as `before` or `after`
     */
    next?: string | undefined;
    stable_up_to: number;
};
export type Limits = {
    frame: number;
    body: number;
    sends_in_flight: number;
    ack_ids: number;
    histories_in_flight?: number | undefined;
    reads_in_flight?: number | undefined;
    history_page: number;
    reference_lifetime: number;
};
export type Welcome = {
    id: number;
    user: string;
    device: string;
    new_device?: boolean | undefined;
    session: string;
    epoch: number;
    /**
     * milliseconds
     */
    heartbeat: number;
    time: number;
    /**
     * when the token does
     */
    expires?: number | undefined;
    limits: Limits;
};
export type ProtocolError = {
    id?: number | undefined;
    ref?: string | undefined;
    code: string;
    field?: string | undefined;
    text: string;
    temporary: boolean;
    /**
     * milliseconds
     */
    retry_after?: number | undefined;
};
export type ServerFrame = ({
    type: "welcome";
} & Welcome) | {
    type: "caught_up";
} | ({
    type: "sent";
} & Sent) | ({
    type: "message";
} & Message) | ({
    type: "receipt";
} & Receipt) | ({
    type: "typing";
} & IsTyping) | {
    type: "presence";
    id?: number;
    users: UserPresence[];
} | {
    type: "privacy";
    id: number;
    presence_to: PresenceTo;
} | ({
    type: "marked";
} & Marked) | ({
    type: "history";
} & HistoryPage) | ({
    type: "group";
} & GroupState) | ({
    type: "receipts";
} & Receipts) | ({
    type: "error";
} & ProtocolError) | {
    type: "pong";
    id: number;
    time: number;
} | {
    type: "refreshed";
    id: number;
    expires?: number;
} | {
    type: "expiring";
    expires: number;
} | {
    type: "reconnect";
    after: number;
    reason: string;
};
