export class Retries {
    /** @param {{ endpoints: string[], backoff: import('./backoff.js').Backoff, random: () => number }} options */
    constructor({ endpoints, backoff, random }: {
        endpoints: string[];
        backoff: import("./backoff.js").Backoff;
        random: () => number;
    });
    endpoints: string[];
    backoff: import("./backoff.js").Backoff;
    random: () => number;
    get endpoint(): string;
    /**
     * A connection ended, or did not come about: the next endpoint's turn. Every endpoint is tried once under
     * the same ceiling before it doubles. A gateway that takes sessions only to end them does not make the
     * client spin: only the first loss is followed at once.
     * @param {object} loss
     * @param {boolean} loss.steady the session had lasted
     * @param {boolean} loss.atOnce the gateway wants the client elsewhere
     * @param {number} loss.asked how long the gateway asked to wait
     * @returns {number} milliseconds to wait
     */
    lost({ steady, atOnce, asked }: {
        steady: boolean;
        atOnce: boolean;
        asked: number;
    }): number;
    #private;
}
