export class Heartbeat {
    /**
     * @param {number} every
     * @param {number} now
     */
    constructor(every: number, now: number);
    every: number;
    sentAt: number;
    heardAt: number;
    /** @param {number} now */
    sent(now: number): void;
    /** @param {number} now */
    heard(now: number): void;
    /** @param {number} now */
    asked(now: number): void;
    /** Silence of either direction is a reason to ask: a client that only sends must notice too. */
    deadline(): number;
    /**
     * @param {number} now
     * @returns {'wait' | 'ask' | 'dead'}
     */
    beat(now: number): "wait" | "ask" | "dead";
    #private;
}
