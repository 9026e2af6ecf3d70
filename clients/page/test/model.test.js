/** The page's model: what is said goes to its place, once, with the right tick. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Model } from '../site/model.js';
import { Watched } from '../site/watched.js';

/** @param {number} at @param {number} of */
const id = (at, of) => `00000000-${at.toString(16).padStart(4, '0')}-7000-8000-${of.toString(16).padStart(12, '0')}`;

/** @param {string} message @param {string} body @param {string} from */
function message(message, body, from = 'bob') {
  const to = { user: from === 'bob' ? 'alice' : 'bob' };
  return { message, conversation: 'c', from, device: 'd', to, at: 1, content: { body } };
}

/** @param {Model} model */
const texts = (model) => model.person('bob').lines.map((line) => line.text);

test('a late lower id goes to its place, and a copy is not shown', () => {
  const model = new Model('alice');
  model.add(message(id(2, 2), 'second'));
  model.add(message(id(1, 1), 'first'));
  assert.equal(model.add(message(id(3, 1), 'first')), undefined);
  assert.deepEqual(texts(model), ['first', 'second']);
});

test('what is said in a group says who, and a change of it what', () => {
  const model = new Model('alice');
  const to = { group: '0f0f0f0f-1e1e-4d2d-8c3c-4b4b4b4b4b4b' };
  const said = (/** @type {number} */ n, /** @type {string} */ from, /** @type {object} */ content) => ({
    message: id(n, n), conversation: to.group, from, device: 'd', to, at: n, content: /** @type {any} */ (content),
  });
  const change = (/** @type {object} */ body) => ({ type: 'application/vnd.chatcluster.group+json', body: JSON.stringify(body) });
  model.add(said(1, 'bob', change({ create: { name: 'Lunch', members: ['alice'] } })));
  model.add(said(2, 'bob', { body: 'hello' }));
  model.add(said(3, 'alice', { body: 'hi' }));
  model.add(said(4, 'bob', change({ rename: 'Dinner' })));
  model.add(said(5, 'bob', change({ dance: {} })));
  const group = model.person(`#${to.group}`);
  assert.equal(group.title, 'Dinner');
  assert.deepEqual(group.lines.map(({ from, mine, text }) => [from, mine, text]), [
    ['bob', false, 'bob made the group “Lunch”'], ['bob', false, 'hello'], [undefined, true, 'hi'],
    ['bob', false, 'bob named the group “Dinner”'], ['bob', false, 'bob changed the group'],
  ]);
  assert.deepEqual([...model.people.keys()], [`#${to.group}`], 'nobody gets a conversation of their own by it');
});

test('in a group the ticks tell what everybody has', () => {
  const model = new Model('alice');
  const to = { group: '0f0f0f0f-1e1e-4d2d-8c3c-4b4b4b4b4b4b' };
  const group = model.person(`#${to.group}`);
  model.add({ message: id(1, 1), conversation: to.group, from: 'alice', device: 'd', to, at: 1, content: { body: 'hi' } });
  const counts = (/** @type {number} */ delivered, /** @type {number} */ read) =>
    model.counted(group, { id: 1, message: id(1, 1), of: 2, delivered, read });
  const line = () => /** @type {any} */ (group.lines[0]);
  assert.equal(model.unread(group), id(1, 1));
  for (const [delivered, read, tick] of /** @type {[number, number, string][]} */ ([
    [1, 1, 'sent'], [2, 1, 'delivered'], [2, 2, 'read'],
  ])) {
    counts(delivered, read);
    assert.equal(model.tick(group, line()), tick);
  }
  assert.equal(model.unread(group), undefined, 'nothing can change any more');
  model.add({ message: id(2, 2), conversation: to.group, from: 'bob', device: 'd', to, at: 2, content: { body: 'ho' } });
  assert.equal(model.unread(group), undefined);
});

test('a message on its way is last until it has its id', () => {
  const model = new Model('alice');
  model.sending('bob', { ref: 'r', text: 'mine', at: 1 });
  model.add(message(id(5, 5), 'later'));
  assert.deepEqual(texts(model), ['later', 'mine']);
  model.sent('bob', { id: 1, ref: 'r', message: id(4, 4), conversation: 'c', at: 1 });
  assert.deepEqual(texts(model), ['mine', 'later']);
});

test('history that is faster than the answer does not double a message', () => {
  const model = new Model('alice');
  model.sending('bob', { ref: 'r', text: 'mine', at: 1 });
  model.add(message(id(4, 4), 'mine', 'alice'));
  model.sent('bob', { id: 1, ref: 'r', message: id(4, 4), conversation: 'c', at: 1 });
  assert.deepEqual(texts(model), ['mine']);
});

test('ticks tell how far a message came', () => {
  const model = new Model('alice');
  const person = model.sending('bob', { ref: 'r', text: 'mine', at: 1 });
  const tick = () => model.tick(person, /** @type {any} */ (person.lines[0]));
  assert.equal(tick(), 'sending');
  model.sent('bob', { id: 1, ref: 'r', message: id(4, 4), conversation: 'c', at: 1 });
  assert.equal(tick(), 'sent');
  const receipt = { receipt: id(9, 9), kind: 'delivered', conversation: 'c', user: 'bob', at: 1 };
  model.receipt({ ...receipt, up_to: id(3, 3) });
  assert.equal(tick(), 'sent');
  model.receipt({ ...receipt, up_to: id(4, 4) });
  model.receipt({ ...receipt, up_to: id(3, 3) });
  assert.equal(tick(), 'delivered');
  model.receipt({ ...receipt, kind: 'read', up_to: id(4, 4) });
  assert.equal(tick(), 'read');
  model.failed('bob', 'r', 'because');
});

test('what is looked at is read once, and what another device has read is not unread', () => {
  const model = new Model('alice');
  model.add(message(id(1, 1), 'one'));
  model.add(message(id(2, 2), 'two'));
  const person = model.person('bob');
  person.unread = 2;
  const receipt = { receipt: id(9, 9), kind: 'read', conversation: 'c', user: 'alice', at: 1 };
  model.receipt({ ...receipt, up_to: id(1, 1) });
  assert.equal(person.unread, 1);
  assert.deepEqual(model.look(person), { conversation: 'c', upTo: id(2, 2) });
  assert.equal(person.unread, 0);
  assert.equal(model.look(person), undefined);
  model.add(message(id(3, 3), 'mine', 'alice'));
  assert.equal(model.look(person), undefined);
});

test('what waited is unread, also where history is faster than its push', () => {
  const model = new Model('alice');
  const person = model.person('bob');
  person.seen = id(1, 1);
  for (const [at, text] of /** @type {const} */ ([[1, 'read'], [2, 'waiting']])) model.add(message(id(at, at), text));
  assert.equal(person.unread, 0);
  model.push(message(id(1, 1), 'read'), undefined);
  assert.equal(person.unread, 0);
  model.push(message(id(2, 2), 'waiting'), undefined);
  model.push(message(id(2, 2), 'waiting'), undefined);
  model.push(message(id(4, 2), 'waiting'), undefined);
  assert.equal(person.unread, 1);
  model.push(message(id(5, 5), 'mine', 'alice'), undefined);
  model.push(message(id(6, 6), 'seen at once'), 'bob');
  assert.equal(person.unread, 1);
  model.push(message(id(7, 7), 'later'), 'carol');
  model.add(message(id(7, 7), 'later'));
  assert.equal(person.unread, 2);
  assert.deepEqual(texts(model), ['read', 'waiting', 'mine', 'seen at once', 'later']);
});

test('who types does so until their time is over, or their message comes', () => {
  const model = new Model('alice');
  assert.equal(model.typing({ from: 'mallory', expires_in: 6000 }, 0), undefined);
  assert.equal(model.people.size, 0);
  model.add(message(id(1, 1), 'hi'));
  const bob = model.person('bob');
  model.typing({ from: 'bob', expires_in: 6000 }, 100);
  assert.equal(bob.typingUntil, 6100);
  model.add(message(id(2, 2), 'mine', 'alice'));
  assert.equal(bob.typingUntil, 6100);
  model.add(message(id(3, 3), 'his'));
  assert.equal(bob.typingUntil, undefined);
  model.typing({ from: 'bob', expires_in: 6000 }, 200);
  model.typing({ from: 'bob', expires_in: 0 }, 300);
  assert.equal(bob.typingUntil, undefined);
});

test('who is online is kept for those who are shown, and all of them are watched', () => {
  const model = new Model('alice');
  model.add(message(id(1, 1), 'hi'));
  model.person(`#${id(1, 2)}`);
  model.person('no name');
  assert.deepEqual(model.toWatch(), ['bob']);
  model.watch(['bob', 'mallory']);
  assert.equal(model.presence({ user: 'mallory', online: true }), undefined);
  const bob = model.person('bob');
  model.presence({ user: 'bob', online: true });
  assert.deepEqual([bob.online, bob.lastSeen], [true, undefined]);
  model.presence({ user: 'bob', online: false, last_seen: 7 });
  assert.deepEqual([bob.online, bob.lastSeen], [false, 7]);
  for (let n = 0; n < 150; n += 1) model.person(`p${n}`);
  assert.equal(model.toWatch().length, 100);
});

test('nothing is known of those who are watched no more, nor of anybody without a connection', () => {
  const model = new Model('alice');
  const [bob, carol] = [model.person('bob'), model.person('carol')];
  model.watch(['bob', 'carol']);
  model.presence({ user: 'bob', online: true });
  model.presence({ user: 'carol', online: false, last_seen: 7 });
  model.watch(['bob']);
  assert.deepEqual([bob.online, carol.online, carol.lastSeen], [true, undefined, undefined]);
  assert.equal(model.presence({ user: 'carol', online: true }), undefined, 'it was on its way');
  assert.equal(carol.online, undefined);
  model.disconnected();
  assert.equal(bob.online, undefined);
  assert.equal(model.presence({ user: 'bob', online: true }), bob, 'the next connection tells again');
});

test('whom to watch is told at most once a second, and the last list counts', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  /** @type {string[]} */
  const told = [];
  const watched = new Watched((names) => told.push(names.join()));
  watched.want([]);
  assert.deepEqual(told, [], 'there is nobody');
  for (let n = 1; n <= 50; n += 1) {
    watched.want(['bob', `p${n}`]);
    context.mock.timers.tick(50);
  }
  assert.deepEqual(told, ['bob,p1', 'bob,p20', 'bob,p40']);
  context.mock.timers.tick(1_000);
  assert.equal(told.at(-1), 'bob,p50');
  watched.want(['bob', 'p50']);
  context.mock.timers.tick(5_000);
  watched.want([]);
  assert.deepEqual(told.slice(3), ['bob,p50', '']);
});
