/**
 * @typedef {object} Mark
 * @property {string} upTo
 * @property {number} failures temporary ones so far
 * @property {number} notBefore when it may be written
 * @property {{ id: number, since: number, upTo: string }} [flight] on the connection that is open now
 */
export class Marks {
    /**
     * The user has read so far; a lower mark than one that waits changes nothing.
     * @param {string} conversation
     * @param {string} upTo
     */
    set(conversation: string, upTo: string): void;
    /**
     * The next one to write, under this request id.
     * @param {number} now
     * @param {number} id
     * @param {number} [atOnce]
     */
    next(now: number, id: number, atOnce?: number): {
        conversation: string | undefined;
        up_to: string;
    } | undefined;
    /**
     * The request has its answer: the mark is stored, or refused for good. One that was raised meanwhile is
     * sent again.
     * @param {number} id
     */
    answered(id: number): void;
    /**
     * The mark that this request is for.
     * @param {number | undefined} id
     */
    find(id: number | undefined): Mark | undefined;
    /**
     * It failed and may succeed later.
     * @param {Mark} mark
     * @param {number} notBefore
     */
    again(mark: Mark, notBefore: number): void;
    /** The connection ended: what has no answer goes again. */
    disconnected(): void;
    /** When the oldest one that is under way was written. */
    oldestAsked(): number;
    /**
     * When the next one that waits for a time may go.
     * @param {number} now
     */
    deadline(now: number): number;
    #private;
}
export type Mark = {
    upTo: string;
    /**
     * temporary ones so far
     */
    failures: number;
    /**
     * when it may be written
     */
    notBefore: number;
    /**
     * on the connection that is open now
     */
    flight?: {
        id: number;
        since: number;
        upTo: string;
    } | undefined;
};
