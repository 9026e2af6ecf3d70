/** What goes out: sends in the order of the application, each until it has an answer. */
/**
 * @typedef {object} Entry
 * @property {string} ref
 * @property {import('./protocol.js').Recipient} to
 * @property {import('./protocol.js').Content} content
 * @property {number} failures temporary ones, so far
 * @property {number} [firstLeft] when it first left, which starts the lifetime of its reference
 * @property {{ id: number, since: number }} [flight] written on the connection that is open now
 * @property {number} notBefore
 */
export class Outbox {
    /** @param {number} capacity */
    constructor(capacity: number);
    capacity: number;
    get size(): number;
    /**
     * @param {Pick<Entry, 'ref' | 'to' | 'content'>} send
     * @returns {'full' | 'reference_in_use' | undefined} why it was not taken in
     */
    push(send: Pick<Entry, "ref" | "to" | "content">): "full" | "reference_in_use" | undefined;
    /** @param {string} ref */
    find(ref: string): Entry | undefined;
    /** @param {number} id the request */
    inFlight(id: number): Entry | undefined;
    /**
     * Marks the next send that may be written as in flight, and returns it. A recipient that has to wait
     * holds nobody else up. A send that failed goes again only when those after it have their answers too:
     * they fail with it, and then all go again in order.
     * @param {number} now
     * @param {number} id the request under which it will be written
     * @param {number} window
     */
    next(now: number, id: number, window: number): Entry | undefined;
    /** @param {string} ref */
    remove(ref: string): Entry | undefined;
    /**
     * It failed and may succeed later.
     * @param {Entry} entry
     * @param {number} notBefore
     */
    again(entry: Entry, notBefore: number): void;
    /**
     * Nothing leaves before this time.
     * @param {number} until
     */
    pause(until: number): void;
    /** The connection ended: what was in flight has an unknown outcome and goes again, in order. */
    disconnected(): void;
    /**
     * Takes out the sends whose references the servers may have forgotten.
     * @param {number} now
     * @param {number} lifetime
     */
    expired(now: number, lifetime: number): Entry[];
    /** When the oldest send in flight was written. */
    oldestInFlight(): number;
    /**
     * When the next send that waits for a time may go.
     * @param {number} now
     */
    deadline(now: number): number;
    drain(): Entry[];
    #private;
}
export type Entry = {
    ref: string;
    to: import("./protocol.js").Recipient;
    content: import("./protocol.js").Content;
    /**
     * temporary ones, so far
     */
    failures: number;
    /**
     * when it first left, which starts the lifetime of its reference
     */
    firstLeft?: number | undefined;
    /**
     * written on the connection that is open now
     */
    flight?: {
        id: number;
        since: number;
    } | undefined;
    notBefore: number;
};
