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
export function memoryStorage(resume) {
  let kept = resume;
  return {
    load: () => kept,
    save: (latest) => {
      kept = latest;
    },
  };
}

/**
 * `localStorage` or `sessionStorage`, under one key per device.
 * @param {Pick<Storage, 'getItem' | 'setItem'>} storage
 * @param {string} key
 * @returns {ResumeStorage}
 */
export function webStorage(storage, key) {
  return {
    load: () => {
      try {
        return JSON.parse(storage.getItem(key) ?? 'null') ?? undefined;
      } catch {
        return undefined; // damaged: messages may be shown again, and none is lost
      }
    },
    save: (resume) => storage.setItem(key, JSON.stringify(resume)),
  };
}
