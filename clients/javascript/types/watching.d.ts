export class Watching {
    /** @param {string[]} users */
    watch(users: string[]): void;
    /** @param {string} user */
    watches(user: string): boolean;
    /**
     * @param {number} ticket
     * @param {PresenceTo} [to] without it the setting is only asked for
     */
    privacy(ticket: number, to?: PresenceTo): void;
    /** A session is open. Without anybody to watch there is nothing to say. */
    connected(): void;
    /**
     * The next frame to write, under this request id.
     * @param {number} now
     * @param {number} id
     */
    next(now: number, id: number): {
        type: string;
        id: number;
        users: string[];
        presence_to?: undefined;
    } | {
        type: string;
        id: number;
        presence_to: import("./protocol.js").PresenceTo | undefined;
        users?: undefined;
    } | undefined;
    /**
     * Whether this answers a list that no newer one has replaced.
     * @param {number | undefined} id
     */
    watchAnswered(id: number | undefined): boolean;
    /**
     * Who wait for this answer about the setting: all, or where the wish has changed meanwhile, those before the change.
     * @param {number | undefined} id
     */
    privacyAnswered(id: number | undefined): number[];
    /**
     * How often the request has failed, where it is one of these.
     * @param {number | undefined} id
     */
    failures(id: number | undefined): number | undefined;
    /**
     * The request failed and is to be made again at this time.
     * @param {number | undefined} id
     * @param {number} at
     */
    again(id: number | undefined, at: number): void;
    oldestAsked(): number;
    /** @param {number} now */
    deadline(now: number): number;
    /** Who wait for an answer that will not come. */
    drain(): number[];
    #private;
}
export type PresenceTo = import("./protocol.js").PresenceTo;
