export class Queries {
    /**
     * @param {number} ticket
     * @param {object} query
     */
    push(ticket: number, query: object): void;
    /**
     * The next one to write, under this request id.
     * @param {number} now
     * @param {number} id
     */
    next(now: number, id: number): object | undefined;
    /**
     * The ticket of the one that this answers; it is done.
     * @param {number} id the request
     */
    answered(id: number): number | undefined;
    /**
     * The request was not taken: again, not before this time.
     * @param {number | undefined} id the request
     * @param {number} notBefore
     * @returns {boolean} whether it is one of these
     */
    again(id: number | undefined, notBefore: number): boolean;
    disconnected(): void;
    /**
     * When the next one that waits for a time may go.
     * @param {number} now
     */
    deadline(now: number): number;
    /** When the oldest one without an answer was written. */
    oldestAsked(): number;
    /** Takes out the tickets of all. */
    drain(): number[];
    #private;
}
