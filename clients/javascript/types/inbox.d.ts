/** One kind of push: messages by their identity, receipts by their id. */
export class Seen {
    /** @param {(id: string) => string} key what copies share */
    constructor(key: (id: string) => string);
    key: (id: string) => string;
    /**
     * A push came. True if the application has not been shown it yet.
     * @param {string} id
     */
    arrived(id: string): boolean;
    /**
     * The application took it: every copy is owed an ack.
     * @param {string} id
     */
    take(id: string): void;
    /**
     * The application did not take it: the next copy is shown again.
     * @param {string} id
     */
    forget(id: string): void;
    /** @param {string} id */
    remember(id: string): void;
    /** @param {number} most */
    nextAcks(most: number): string[];
    get due(): number;
    /**
     * Taken last, the newest at the end.
     * @param {number} most
     */
    recent(most: number): string[];
    #private;
}
