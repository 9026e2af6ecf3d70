/** Of one session. */
export class Typing {
    /**
     * Whether this is news, to be told under this request id.
     * @param {number} now
     * @param {number} id
     * @param {string} to
     * @param {boolean} active
     */
    isNews(now: number, id: number, to: string, active: boolean): boolean;
    /**
     * A message says by itself that the typing is over.
     * @param {string} to
     */
    sent(to: string): void;
    /**
     * Whether an error is about a `typing`, which nobody waits for. A gateway that does not know the frame
     * refuses it, and is told no more.
     * @param {number | undefined} id
     */
    refused(id: number | undefined): boolean;
    #private;
}
