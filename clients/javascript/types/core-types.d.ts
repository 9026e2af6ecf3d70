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
 * What the gateway answers to a question.
 */
export type Answer = import("./protocol.js").HistoryPage | import("./protocol.js").GroupState | import("./protocol.js").Receipts;
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
    do: "renew";
} | {
    do: "sent";
    ref: string;
    result: import("./protocol.js").Sent | import("./errors.js").SendError;
} | {
    do: "privacy";
    ticket: number;
    result: import("./protocol.js").PresenceTo | import("./errors.js").PrivacyError;
} | {
    do: "answer";
    ticket: number;
    result: Answer | import("./errors.js").QueryError;
};
/**
 * What the application is told, in order.
 */
export type Event = {
    name: "connected";
    value: {
        user: string;
        device: string;
        newDevice: boolean;
        session: string;
        gateway: string;
        expires?: number;
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
    name: "typing";
    value: import("./protocol.js").IsTyping;
} | {
    name: "presence";
    value: import("./protocol.js").UserPresence;
} | {
    name: "watch_refused";
    value: import("./protocol.js").ProtocolError;
} | {
    name: "expiring";
    value: {
        expires: number;
    };
} | {
    name: "disconnected";
    value: {
        why: string;
        code?: number;
        retryIn: number;
    };
} | {
    name: "fatal";
    value: import("./errors.js").FatalError;
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
    words?: import("./protocol.js").ProtocolError;
} | {
    is: "live";
    heartbeat: import("./heartbeat.js").Heartbeat;
    limits: import("./protocol.js").Limits;
    renewal: import("./renewal.js").Renewal;
    since: number;
    leave?: number;
    words?: import("./protocol.js").ProtocolError;
} | {
    is: "stopped";
    error?: import("./errors.js").FatalError;
};
