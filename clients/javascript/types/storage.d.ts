/** Where a device keeps what it remembers from one run to the next. */
/**
 * What a device remembers: message ids go on rising, the newer of two connections wins, and what was
 * taken just before the end is not shown again.
 * @typedef {object} Resume
 * @property {string} [highest] the highest message id seen
 * @property {number} [epoch] the epoch of the last session
 * @property {string[]} [recent] messages taken last, the newest at the end
 */
/**
 * @typedef {object} ResumeStorage
 * @property {() => Resume | undefined | Promise<Resume | undefined>} load
 * @property {(resume: Resume) => void | Promise<void>} save called at most once a second, and at the end
 */
/**
 * Forgets with the program.
 * @param {Resume} [resume]
 * @returns {ResumeStorage}
 */
export function memoryStorage(resume?: Resume): ResumeStorage;
/**
 * `localStorage` or `sessionStorage`, under one key per device.
 * @param {Pick<Storage, 'getItem' | 'setItem'>} storage
 * @param {string} key
 * @returns {ResumeStorage}
 */
export function webStorage(storage: Pick<Storage, "getItem" | "setItem">, key: string): ResumeStorage;
/**
 * What a device remembers: message ids go on rising, the newer of two connections wins, and what was
 * taken just before the end is not shown again.
 */
export type Resume = {
    /**
     * the highest message id seen
     */
    highest?: string | undefined;
    /**
     * the epoch of the last session
     */
    epoch?: number | undefined;
    /**
     * messages taken last, the newest at the end
     */
    recent?: string[] | undefined;
};
export type ResumeStorage = {
    load: () => Resume | undefined | Promise<Resume | undefined>;
    /**
     * called at most once a second, and at the end
     */
    save: (resume: Resume) => void | Promise<void>;
};
