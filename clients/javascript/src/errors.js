/** Why something did not succeed, in classes that a program can tell apart. */

/** @typedef {import('./protocol.js').ProtocolError} ProtocolError */

/**
 * Why a send has no message. With `refused`, `too_large`, `reference_in_use` and `full` there is none;
 * with `expired`, `closed` and `fatal` the outcome is unknown, and sending the same reference again is
 * safe for 7 days.
 */
export class SendError extends Error {
  /**
   * @param {'refused' | 'too_large' | 'reference_in_use' | 'full' | 'expired' | 'closed' | 'fatal'} reason
   * @param {string} text
   * @param {ProtocolError} [error] the gateway's answer
   */
  constructor(reason, text, error) {
    super(text);
    this.name = 'SendError';
    this.reason = reason;
    this.error = error;
  }
}

/** Why there is no page of history, or no group. */
export class QueryError extends Error {
  /**
   * @param {'refused' | 'full' | 'closed' | 'fatal'} reason
   * @param {string} text
   * @param {ProtocolError} [error] the gateway's answer; `temporary` says whether to ask again
   */
  constructor(reason, text, error) {
    super(text);
    this.name = 'QueryError';
    this.reason = reason;
    this.error = error;
  }
}

/** Why it is not known that a setting is stored; with `closed` and `fatal` the outcome is unknown. */
export class PrivacyError extends Error {
  /**
   * @param {'refused' | 'full' | 'closed' | 'fatal'} reason
   * @param {string} text
   * @param {ProtocolError} [error] the gateway's answer
   */
  constructor(reason, text, error) {
    super(text);
    this.name = 'PrivacyError';
    this.reason = reason;
    this.error = error;
  }
}

/** The client has stopped: somebody must change something before another attempt. */
export class FatalError extends Error {
  /**
   * @param {number} code the close code, 4200 to 4299
   * @param {string} reason the gateway's words
   * @param {string} change what must change
   */
  constructor(code, reason, change) {
    super(`${change} (${reason}, close code ${code})`);
    this.name = 'FatalError';
    this.code = code;
    this.reason = reason;
    this.change = change;
  }
}
