/** The client against a real WebSocket server that does what the test says. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';

import { ChatClient, memoryStorage } from '../src/index.js';
import { LIMITS, id } from './helpers.js';

/** Far above what anything here takes. */
const DEADLINE = 10_000;

/** @template T @param {string} what @param {Promise<T>} promise @returns {Promise<T>} */
function within(what, promise) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`in vain: ${what}`)), DEADLINE);
  });
  return /** @type {Promise<T>} */ (Promise.race([promise, late])).finally(() => clearTimeout(timer));
}

/** A listening server; `subprotocol` false leaves it unconfirmed. */
class Peer {
  /** @type {Connection[]} */
  #waiting = [];
  /** @type {((connection: Connection) => void)[]} */
  #wanted = [];

  constructor(subprotocol = true) {
    this.server = new WebSocketServer({
      port: 0, host: '127.0.0.1', handleProtocols: (offered) => (subprotocol ? [...offered][0] ?? false : false),
    });
    this.server.on('connection', (socket) => {
      const connection = new Connection(socket);
      const wanted = this.#wanted.shift();
      if (wanted) wanted(connection);
      else this.#waiting.push(connection);
    });
  }

  get url() {
    return `ws://127.0.0.1:${/** @type {any} */ (this.server.address()).port}`;
  }

  /** The next connection. @returns {Promise<Connection>} */
  accept() {
    const waiting = this.#waiting.shift();
    return waiting ? Promise.resolve(waiting)
      : within('a connection', new Promise((resolve) => this.#wanted.push(resolve)));
  }

  /** The next connection, past `welcome`. */
  async session() {
    const connection = await this.accept();
    const hello = await connection.read();
    connection.write({
      type: 'welcome', id: hello.id, user: 'alice', device: hello.device, session: 's',
      epoch: (hello.resume?.epoch ?? 0) + 1, heartbeat: 25_000, time: 0, limits: LIMITS,
    });
    return { connection, hello };
  }
}

class Connection {
  /** @type {any[]} */
  #frames = [];
  /** @type {((frame: any) => void)[]} */
  #wanted = [];

  constructor(/** @type {WebSocket} */ socket) {
    this.socket = socket;
    this.closed = once(socket, 'close');
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data));
      const wanted = this.#wanted.shift();
      if (wanted) wanted(frame);
      else this.#frames.push(frame);
    });
  }

  /** Frames that came and were not read. */
  get pending() {
    return this.#frames.length;
  }

  /** The next frame. @returns {Promise<any>} */
  read() {
    return this.#frames.length > 0 ? Promise.resolve(this.#frames.shift())
      : within('a frame', new Promise((resolve) => this.#wanted.push(resolve)));
  }

  write(/** @type {object} */ frame) {
    this.socket.send(JSON.stringify(frame));
  }

  answer(/** @type {any} */ send, /** @type {string} */ message) {
    this.write({ type: 'sent', id: send.id, ref: send.ref, message, conversation: 'c', at: 0 });
  }

  message(/** @type {string} */ message, body = 'hi') {
    this.write({
      type: 'message', message, conversation: 'c', from: 'bob', device: 'd', to: { user: 'alice' }, at: 0,
      content: { body },
    });
  }
}

/** Servers and clients of one test, which end with it. */
async function world(/** @type {(make: { peer: (confirms?: boolean) => Promise<Peer>, client: (peers: Peer[], options?: object) => ChatClient }) => Promise<void>} */ body) {
  /** @type {Peer[]} */
  const peers = [];
  /** @type {ChatClient[]} */
  const clients = [];
  try {
    await body({
      peer: async (confirms) => {
        const peer = new Peer(confirms);
        peers.push(peer);
        await once(peer.server, 'listening');
        return peer;
      },
      client: (to, options = {}) => {
        const endpoints = to.map((peer) => peer.url);
        const client = new ChatClient({ endpoints, device: 'laptop', token: 'a.b.c', WebSocket, ...options });
        clients.push(client);
        return client;
      },
    });
  } finally {
    for (const peer of peers) {
      for (const socket of peer.server.clients) socket.terminate();
      peer.server.close();
    }
    await Promise.all(clients.map((client) => client.close().catch(() => {})));
  }
}

/** @param {ChatClient} client @param {keyof import('../src/client.js').Events} name @returns {Promise<any>} */
function event(client, name) {
  return within(name, new Promise((resolve) => {
    const off = client.on(name, (value) => {
      off();
      resolve(value);
    });
  }));
}

test('a send is answered, and a message acknowledged when its handler is done', () => world(async ({ peer, client }) => {
  const server = await peer();
  const it = client([server]);
  let done = () => {};
  const busy = new Promise((resolve) => {
    done = () => resolve(undefined);
  });
  const arrived = new Promise((resolve) => it.on('message', (message) => {
    resolve(message);
    return busy;
  }));
  it.connect();
  const sending = it.send({ user: 'bob' }, 'hello');
  const { connection, hello } = await server.session();
  assert.deepEqual([hello.token, hello.device, hello.resume], ['a.b.c', 'laptop', undefined]);
  const send = await connection.read();
  assert.deepEqual([send.to, send.content], [{ user: 'bob' }, { body: 'hello' }]);
  connection.answer(send, id(5, 5));
  assert.equal((await within('an answer', sending)).message, id(5, 5));

  connection.message(id(7, 7));
  await within('the message', arrived);
  const second = it.send({ user: 'bob' }, 'busy');
  assert.equal((await connection.read()).type, 'send', 'not the ack: the handler is still busy');
  second.catch(() => {});
  done();
  assert.deepEqual(await connection.read(), { type: 'ack', messages: [id(7, 7)], receipts: [] });
}));

test('what had no answer goes again to the next gateway, in order, under the same reference', () => world(async ({ peer, client }) => {
  const [one, two] = [await peer(), await peer()];
  const it = client([one, two]);
  it.connect();
  const sending = ['a', 'b', 'c'].map((body) => it.send({ user: 'bob' }, body, { ref: `ref-${body}` }));
  const first = await one.session();
  assert.equal((await first.connection.read()).ref, 'ref-a');
  first.connection.socket.terminate();
  const second = await two.session();
  assert.equal(second.hello.resume.epoch, 1);
  for (const body of ['a', 'b', 'c']) {
    const send = await second.connection.read();
    assert.deepEqual([send.ref, send.content.body], [`ref-${body}`, body]);
    second.connection.answer(send, id(5, send.id));
  }
  await within('the answers', Promise.all(sending));
}));

test('the next run goes on where the last one ended', () => world(async ({ peer, client }) => {
  const server = await peer();
  const storage = memoryStorage();
  const first = client([server], { storage });
  /** @type {string[]} */
  const shown = [];
  first.on('message', ({ content }) => shown.push(content.body));
  first.connect();
  const { connection } = await server.session();
  connection.message(id(7, 7), 'seen');
  assert.equal((await connection.read()).type, 'ack');
  const [closing] = await Promise.all([within('the close', connection.closed), first.close()]);
  assert.equal(closing[0], 1000);

  const next = client([server], { storage });
  next.on('message', ({ content }) => shown.push(content.body));
  next.connect();
  const again = await server.session();
  assert.deepEqual(again.hello.resume, { highest: id(7, 7), epoch: 1 });
  again.connection.message(id(7, 7), 'seen');
  again.connection.message(id(8, 8), 'new');
  assert.deepEqual((await again.connection.read()).messages, [id(7, 7)]);
  assert.deepEqual((await again.connection.read()).messages, [id(8, 8)]);
  assert.deepEqual(shown, ['seen', 'new']);
}));

test('a message whose handler failed stays in the inbox and is shown again', (context) => world(async ({ peer, client }) => {
  const server = await peer();
  const it = client([server]);
  let runs = 0;
  const log = context.mock.method(console, 'error', () => {});
  const failed = new Promise((resolve) => it.on('message', () => {
    runs += 1;
    if (runs > 1) return;
    resolve(undefined);
    throw new Error('the disk is full');
  }));
  it.connect();
  const first = await server.session();
  first.connection.message(id(7, 7));
  await within('the failure', failed);
  first.connection.socket.close(4000);
  const second = await server.session();
  second.connection.message(id(7, 7));
  assert.deepEqual((await second.connection.read()).messages, [id(7, 7)]);
  assert.equal(runs, 2);
  assert.match(String(log.mock.calls[0]?.arguments[1]), /the disk is full/);
}));

test('a device that was replaced stops and says what to change', () => world(async ({ peer, client }) => {
  const server = await peer();
  const it = client([server]);
  const fatal = event(it, 'fatal');
  it.connect();
  const { connection } = await server.session();
  const sending = it.send({ user: 'bob' }, 'hello');
  sending.catch(() => {});
  await connection.read();
  connection.socket.close(4204, 'replaced');
  assert.match((await fatal).change, /another program uses the same device/);
  await assert.rejects(sending, { name: 'SendError', reason: 'fatal' });
  await assert.rejects(it.send({ user: 'bob' }, 'late'), { reason: 'fatal' });
  assert.equal(it.state, 'stopped');
}));

test('a server that does not confirm the protocol gets no token', () => world(async ({ peer, client }) => {
  const [other, good] = [await peer(false), await peer()];
  const it = client([other, good]);
  it.connect();
  const { hello } = await good.session();
  assert.equal(hello.token, 'a.b.c');
}));

test('a WebSocket that takes any subprotocol for the right one gives no token away', () => world(async ({ peer, client }) => {
  class Careless extends WebSocket {
    /** @param {string} url @param {string} protocols */
    constructor(url, protocols) {
      super(url, protocols);
      Object.defineProperty(this, 'protocol', { value: '' });
    }
  }
  const server = await peer();
  const it = client([server], { WebSocket: Careless });
  const refused = event(it, 'disconnected');
  it.connect();
  const connection = await server.accept();
  assert.match((await refused).why, /does not speak/);
  await within('the end', connection.closed);
  assert.equal(connection.pending, 0);
}));

test('an expired token is replaced by a new one', () => world(async ({ peer, client }) => {
  const server = await peer();
  let made = 0;
  const it = client([server], { token: async () => `token-${made++}` });
  it.connect();
  const first = await server.session();
  first.connection.socket.close(4201, 'expired');
  const second = await server.session();
  assert.deepEqual([first.hello.token, second.hello.token], ['token-0', 'token-1']);
}));

test('a token that expires soon is replaced in the open session', () => world(async ({ peer, client }) => {
  const server = await peer();
  let made = 0;
  const token = async () => {
    made += 1;
    if (made === 2) throw new Error('not now');
    return `token-${made}`;
  };
  const it = client([server], { token });
  it.connect();
  const { connection, hello } = await server.session();
  assert.equal(hello.token, 'token-1');
  connection.write({ type: 'expiring', expires: 5 });
  const refresh = await connection.read();
  assert.deepEqual([refresh.type, refresh.token], ['refresh', 'token-3']);
  connection.write({ type: 'refreshed', id: refresh.id, expires: 9 });
  const sending = it.send({ user: 'bob' }, 'over the same connection');
  const send = await connection.read();
  connection.answer(send, id(1, 1));
  assert.equal((await sending).message, id(1, 1));
}));

test('the application is told that its only token expires soon', () => world(async ({ peer, client }) => {
  const server = await peer();
  const it = client([server]);
  const expiring = event(it, 'expiring');
  it.connect();
  const { connection } = await server.session();
  connection.write({ type: 'expiring', expires: 5 });
  assert.deepEqual(await expiring, { expires: 5 });
}));

test('frames that cannot be read do not end the session', () => world(async ({ peer, client }) => {
  const server = await peer();
  const it = client([server]);
  const arrived = event(it, 'message');
  it.connect();
  const { connection } = await server.session();
  for (const odd of ['', 'nonsense', '[]', 'null', '7', '{"type":"hologram"}']) connection.socket.send(odd);
  connection.socket.send(Buffer.from([1, 2, 3]));
  connection.message(id(7, 7), 'after');
  assert.equal((await arrived).content.body, 'after');
}));

test('history comes back to whoever asked', () => world(async ({ peer, client }) => {
  const server = await peer();
  const it = client([server]);
  it.connect();
  const filters = { sender: 'bob', content_type: 'image/*', since: 5, until: 9 };
  const asking = it.history({ user: 'bob', limit: 3, ...filters });
  const { connection } = await server.session();
  const asked = await connection.read();
  assert.deepEqual(asked, { type: 'history', id: asked.id, user: 'bob', limit: 3, ...filters });
  connection.write({ type: 'history', id: asked.id, messages: [{ message: id(7, 7) }], stable_up_to: 9 });
  assert.equal((await within('a page', asking)).stable_up_to, 9);
  connection.socket.close(4000);
  const { hello } = await server.session();
  assert.equal(hello.resume.highest, id(7, 7), 'what is on a page has been seen');
}));

test('a group is made by a message to it, and who takes part is told', () => world(async ({ peer, client }) => {
  const server = await peer();
  const it = client([server]);
  it.connect();
  const making = it.createGroup('Lunch', ['bob']);
  const { connection } = await server.session();
  const send = await connection.read();
  const { group } = send.to;
  assert.match(group, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(send.content.type, 'application/vnd.chatcluster.group+json');
  assert.deepEqual(JSON.parse(send.content.body), { create: { name: 'Lunch', members: ['bob'] } });
  connection.write({ type: 'sent', id: send.id, ref: send.ref, message: id(7, 7), conversation: group, at: 1 });
  assert.equal(await within('the group', making), group);

  const asking = it.group(group);
  const asked = await connection.read();
  assert.deepEqual(asked, { type: 'group', id: asked.id, group });
  const members = [{ user: 'alice', role: 'owner' }, { user: 'bob', role: 'member' }];
  connection.write({ type: 'group', id: asked.id, group, name: 'Lunch', members });
  assert.deepEqual((await within('members', asking)).members, members);

  const counting = it.receipts(id(7, 7), { members: true });
  const count = await connection.read();
  assert.deepEqual(count, { type: 'receipts', id: count.id, message: id(7, 7), members: true });
  const told = { message: id(7, 7), of: 1, delivered: 1, read: 0, members: [{ user: 'bob', delivered: true, read: false }] };
  connection.write({ type: 'receipts', id: count.id, ...told });
  assert.deepEqual(await within('receipts', counting), { id: count.id, ...told });

  const adding = it.changeGroup(group, { add: ['carol'] });
  const add = await connection.read();
  const error = { code: 'forbidden', text: 'only the owner and admins add users', temporary: false };
  connection.write({ type: 'error', id: add.id, ref: add.ref, ...error });
  await assert.rejects(within('an answer', adding), { reason: 'refused', message: /only the owner/ });
}));

test('who is watched is checked before anything is sent, and what the gateway refuses is told', () => world(async ({ peer, client }) => {
  const server = await peer();
  const it = client([server]);
  const refused = event(it, 'watch_refused');
  const shown = event(it, 'presence');
  it.connect();
  const { connection } = await server.session();
  await assert.rejects(it.watch(['bob', 'al ice']), { name: 'TypeError', message: /^users\[1\]: "al ice" is no user id/ });
  await it.watch(['bob']);
  const asked = await connection.read();
  assert.deepEqual(asked, { type: 'presence', id: asked.id, users: ['bob'] });
  connection.write({ type: 'error', id: asked.id, code: 'bad_field', field: 'users', text: 'too many', temporary: false });
  assert.equal((await refused).field, 'users');
  await it.watch(['carol']);
  const { id: other } = await connection.read();
  connection.write({ type: 'presence', id: other, users: [{ user: 'carol', online: true }] });
  assert.deepEqual(await shown, { user: 'carol', online: true });
}));

test('a token never crosses a network in the clear', () => {
  const options = { device: 'laptop', token: 'a.b.c', WebSocket };
  assert.throws(() => new ChatClient({ ...options, endpoints: ['ws://chat.example.com'] }), /wss:/);
  assert.throws(() => new ChatClient({ ...options, endpoints: [] }), /at least one/);
});
