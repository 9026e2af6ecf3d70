/** One attempt to connect: token, WebSocket, and what comes over it. It decides nothing. */

import { SUBPROTOCOL } from './protocol.js';

/**
 * Told what happens. After `ended`, or after `end` was called, only `closed` is.
 * @typedef {object} Listener
 * @property {(token: string) => void} opened
 * @property {(frame: import('./protocol.js').ServerFrame | undefined) => void} received a frame, or nothing
 *   where it could not be read: it stays unacknowledged, so nothing is lost
 * @property {(end: { why: string, code?: number }) => void} ended
 * @property {() => void} closed the WebSocket is gone
 */

export class Connection {
  /** @type {any} */
  #socket;
  #over = false;

  /**
   * @param {string} url
   * @param {string | (() => string | Promise<string>)} token
   * @param {any} WebSocket
   * @param {Listener} listener
   */
  constructor(url, token, WebSocket, listener) {
    this.listener = listener;
    void this.#open(url, token, WebSocket);
  }

  /** Whether there is a WebSocket whose end is to be waited for. */
  get isUp() {
    return this.#socket !== undefined && this.#socket.readyState < 3;
  }

  /** @param {string} text */
  write(text) {
    this.#socket?.send(text);
  }

  /**
   * Ends it from this side.
   * @param {number | undefined} code
   */
  end(code) {
    this.#over = true;
    this.#socket?.close(code);
  }

  /**
   * @param {string} url
   * @param {string | (() => string | Promise<string>)} source
   * @param {any} WebSocket
   */
  async #open(url, source, WebSocket) {
    let token = '';
    try {
      token = await tokenFrom(source);
      if (this.#over) return; // it took too long
      this.#socket = new WebSocket(url, SUBPROTOCOL);
    } catch (error) {
      return this.#ended({ why: this.#socket ? String(error) : `no token or no connection: ${error}` });
    }
    const socket = this.#socket;
    socket.onopen = () => {
      if (this.#over) return;
      if (socket.protocol === SUBPROTOCOL) return this.listener.opened(token);
      // It must not see the token.
      socket.close();
      this.#ended({ why: `the server does not speak ${SUBPROTOCOL}` });
    };
    socket.onmessage = (/** @type {{ data: unknown }} */ { data }) => {
      if (!this.#over) this.listener.received(read(data));
    };
    socket.onerror = () => {}; // the close event that follows says it all
    socket.onclose = (/** @type {{ code: number, reason: string }} */ { code, reason }) => {
      this.listener.closed();
      // 1006: there was no close frame, so no code that means anything.
      if (code === 1006) this.#ended({ why: 'the connection could not be opened, or broke' });
      else this.#ended({ why: reason || 'the connection was closed', code });
    };
  }

  /** @param {{ why: string, code?: number }} end */
  #ended(end) {
    if (this.#over) return;
    this.#over = true;
    this.listener.ended(end);
  }
}

/**
 * A token from where they come from.
 * @param {string | (() => string | Promise<string>)} source
 */
export async function tokenFrom(source) {
  return typeof source === 'function' ? source() : source;
}

/**
 * @param {unknown} data
 * @returns {import('./protocol.js').ServerFrame | undefined}
 */
function read(data) {
  if (typeof data !== 'string') return undefined;
  try {
    const frame = JSON.parse(data);
    return frame !== null && typeof frame.type === 'string' ? frame : undefined;
  } catch {
    return undefined;
  }
}
