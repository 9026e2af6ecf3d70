/** @typedef {import('./core-types.js').Event} Event */
export class Events {
    /** The first one may be in the application's hands already. @type {Event[]} */
    waiting: Event[];
    hasRoom(): boolean;
    /**
     * Takes an event in. A WebSocket in JavaScript cannot be told to wait, so where there is no room for a message or a
     * receipt, it is left in the inbox, and the connection has to be given up.
     * @param {Event} event
     * @returns {boolean} whether there was room
     */
    push(event: Event): boolean;
    /**
     * An application that is behind has more important things to take than who types.
     * @param {import('./protocol.js').IsTyping} value
     */
    typing(value: import("./protocol.js").IsTyping): void;
    /**
     * Of each user only the last state waits, after all that came before it.
     * @param {import('./protocol.js').UserPresence} value
     */
    presence(value: import("./protocol.js").UserPresence): void;
    /**
     * What waits of these users is not told.
     * @param {(user: string) => boolean} of
     */
    forgetPresence(of: (user: string) => boolean): void;
    /** Whether something was left in the inbox since this was asked last. */
    wasOverrun(): boolean;
    #private;
}
export type Event = import("./core-types.js").Event;
