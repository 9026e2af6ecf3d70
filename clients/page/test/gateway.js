/** A small gateway for tests of the page: real TLS, the real protocol, everything in memory, and a switch
 * to be hostile. The page in front of real gateways is tested with the whole cluster. */

import { execFileSync } from 'node:child_process';
import { createServer } from 'node:https';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocketServer } from 'ws';

import { trustingHome } from './chromium.js';

const SITE = new URL('../site/', import.meta.url);
/** As gateways send it. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
  + "manifest-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** @type {Record<string, string>} */
const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml' };
const LIMITS = {
  frame: 65536, body: 32768, sends_in_flight: 64, histories_in_flight: 4, reads_in_flight: 16, ack_ids: 256, history_page: 100, reference_lifetime: 604800000,
};

/** A certificate authority, and a certificate for this machine. */
export class Authority {
  folder = mkdtempSync(join(tmpdir(), 'page-test-'));

  constructor() {
    const openssl = (/** @type {string[]} */ ...args) => execFileSync('openssl', args, { cwd: this.folder, stdio: 'pipe' });
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test authority');
    openssl('req', ...key, '-keyout', 'gateway.key', '-out', 'gateway.csr', '-subj', '/CN=gateway');
    writeFileSync(join(this.folder, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
    openssl('x509', '-req', '-in', 'gateway.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out',
      'gateway.pem', '-days', '2', '-extfile', 'names');
  }

  /** A home folder whose Chromium trusts this authority. */
  trustingHome() {
    return trustingHome(this.folder, join(this.folder, 'ca.pem'));
  }

  end() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A token that nobody checks here. @param {string} user */
export function token(user) {
  const part = (/** @type {object} */ it) => Buffer.from(JSON.stringify(it)).toString('base64url');
  return `${part({ alg: 'HS256' })}.${part({ sub: user })}.c2lnbmF0dXJl`;
}

/** @typedef {{ socket: import('ws').WebSocket, frame: (frame: object) => void, watches: string[] }} Session */

export class Gateway {
  /** @type {Map<string, Set<Session>>} */
  sessions = new Map();
  /** Every list of users that somebody watched, the last one last. @type {{ by: string, users: string[] }[]} */
  watched = [];
  /** @type {any[]} */
  messages = [];
  clock = Date.now();
  /** How it answers an upgrade: as it should, or by closing with this code after `hello`. */
  closeWith = 0;
  /** Whether it refuses WebSockets altogether. */
  refuses = false;

  /** @param {Authority} authority */
  constructor({ folder }) {
    const [key, cert] = ['gateway.key', 'gateway.pem'].map((name) => readFileSync(join(folder, name)));
    this.server = createServer({ key, cert }, async (request, response) => {
      const name = request.url?.split('?')[0]?.slice(1) || 'index.html';
      try {
        const body = await readFile(new URL(name, SITE));
        const type = TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream';
        response.writeHead(200, { 'content-type': type, 'content-security-policy': POLICY }).end(body);
      } catch {
        response.writeHead(404).end();
      }
    });
    this.sockets = new WebSocketServer({ server: this.server, verifyClient: () => !this.refuses });
    this.sockets.on('connection', (socket) => this.#serve(socket));
  }

  async listen() {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', () => resolve(undefined)));
    return `https://localhost:${/** @type {any} */ (this.server.address()).port}/`;
  }

  end() {
    for (const socket of this.sockets.clients) socket.terminate();
    this.server.closeAllConnections();
    this.server.close();
  }

  /** A user's token expires soon. */
  expiring(/** @type {string} */ user, /** @type {number} */ expires) {
    this.#push(user, { type: 'expiring', expires });
  }

  /** Ends every connection. @param {number} code */
  closeAll(code) {
    for (const socket of this.sockets.clients) socket.close(code);
  }

  id(of = Math.floor(Math.random() * 2 ** 40)) {
    this.clock += 1;
    const hex = this.clock.toString(16).padStart(12, '0');
    return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-${of.toString(16).padStart(12, '0')}`;
  }

  /** Somebody says something, at a time, as far as history is concerned. */
  said(/** @type {string} */ from, /** @type {string} */ to, /** @type {string} */ body, at = Date.now()) {
    const message = {
      message: this.id(), conversation: [from, to].sort().join('|'), from, device: 'phone', to: { user: to }, at,
      content: { type: 'text/plain', body },
    };
    this.messages.push(message);
    this.#push(to, { type: 'message', ...message });
    return message;
  }

  #push(/** @type {string} */ user, /** @type {object} */ frame) {
    for (const session of this.sessions.get(user) ?? []) session.frame(frame);
  }

  #presence(/** @type {string} */ user) {
    const online = (this.sessions.get(user)?.size ?? 0) > 0;
    return { user, online, last_seen: online || !this.sessions.has(user) ? undefined : Date.now() };
  }

  /** A user has come or gone. */
  #told(/** @type {string} */ user) {
    for (const session of [...this.sessions.values()].flatMap((all) => [...all])) {
      if (session.watches.includes(user)) session.frame({ type: 'presence', users: [this.#presence(user)] });
    }
  }

  #serve(/** @type {import('ws').WebSocket} */ socket) {
    /** @type {Session} */
    const session = { socket, frame: (frame) => socket.send(JSON.stringify(frame)), watches: [] };
    let me = '';
    socket.on('close', () => {
      if (this.sessions.get(me)?.delete(session)) this.#told(me);
    });
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data));
      if (frame.type === 'hello') {
        if (this.closeWith) return socket.close(this.closeWith, 'because the test says so');
        me = JSON.parse(Buffer.from(frame.token.split('.')[1], 'base64url').toString()).sub;
        this.sessions.set(me, (this.sessions.get(me) ?? new Set()).add(session));
        session.frame({
          type: 'welcome', id: frame.id, user: me, device: frame.device, session: 's', epoch: 1, heartbeat: 25000,
          time: Date.now(), limits: LIMITS,
        });
        this.#told(me);
        return session.frame({ type: 'caught_up' });
      }
      if (frame.type === 'send') {
        const message = this.said(me, frame.to.user, frame.content.body);
        const { message: id, conversation, at } = message;
        return session.frame({ type: 'sent', id: frame.id, ref: frame.ref, message: id, conversation, at });
      }
      if (frame.type === 'ack') {
        for (const acked of frame.messages) {
          const { from, conversation } = this.messages.find(({ message }) => message === acked);
          this.#push(from, {
            type: 'receipt', receipt: this.id(), kind: 'delivered', conversation, user: me, up_to: acked, at: Date.now(),
          });
        }
      }
      if (frame.type === 'read') {
        const { id, conversation, up_to } = frame;
        session.frame({ type: 'marked', id, conversation, up_to });
        for (const user of new Set(conversation.split('|'))) {
          const others = [...(this.sessions.get(user) ?? [])].filter((it) => it !== session);
          const receipt = { type: 'receipt', receipt: this.id(), kind: 'read', conversation, user: me, up_to, at: Date.now() };
          for (const other of others) other.frame(receipt);
        }
      }
      if (frame.type === 'typing') {
        const conversation = [me, frame.to.user].sort().join('|');
        this.#push(frame.to.user, { type: 'typing', from: me, conversation, expires_in: frame.active === false ? 0 : 2000 });
      }
      if (frame.type === 'presence') {
        session.watches = frame.users;
        this.watched.push({ by: me, users: frame.users });
        session.frame({ type: 'presence', id: frame.id, users: session.watches.map((user) => this.#presence(user)) });
      }
      if (frame.type === 'history') {
        const conversation = [me, frame.user].sort().join('|');
        const messages = this.messages.filter((it) => it.conversation === conversation).reverse();
        session.frame({ type: 'history', id: frame.id, messages, stable_up_to: 0 });
      }
      return undefined;
    });
  }
}
