/** The demo page: a token opens a session with the gateway that served the page. */

import { ChatClient } from './client/client.js';
import { isUserId, newReference } from './client/ids.js';
import { webStorage } from './client/storage.js';
import { Counts } from './counts.js';
import { recipient } from './groups.js';
import { device, forgetToken, givenToken, keepPeople, keepToken, people, subject } from './login.js';
import { Model } from './model.js';
import { byId, showHelp, showPeople, showStatus, showThread, timeOf } from './view.js';
import { Watched } from './watched.js';

/** Messages of each conversation that are fetched when the page opens. */
const RECENT = 30;

const GATEWAY = `wss://${location.host}/`;

/** @type {{ client: ChatClient, model: Model, watched: Watched, counts: Counts, open?: string, wasLive: boolean } | undefined} */
let chat;

/** @param {string} token */
function start(token) {
  const me = subject(token);
  if (me === undefined) {
    byId('login-error').textContent = 'This is no token: it must be a JWT with a subject.';
    return;
  }
  keepToken(token);
  const client = new ChatClient({
    endpoints: [GATEWAY],
    device: device(me),
    token,
    storage: webStorage(localStorage, `chatcluster:${me}:resume`),
  });
  const model = new Model(me);
  for (const kept of people(me)) Object.assign(model.person(kept.name), kept);
  const watched = new Watched((names) => {
    model.watch(names);
    void client.watch(names);
  });
  const counts = new Counts(async (message) => {
    const answer = await client.receipts(message, { members: true });
    if (chat?.open === undefined) return;
    model.counted(model.person(chat.open), answer);
    show();
  });
  chat = { client, model, watched, counts, wasLive: false };
  byId('login').hidden = true;
  byId('chat').hidden = false;
  byId('me').textContent = me;
  showStatus('waiting', 'Connecting…');
  listen(client, model);
  client.connect();
  show();
}

/**
 * @param {ChatClient} client
 * @param {Model} model
 */
function listen(client, model) {
  client.on('connected', ({ gateway }) => {
    const first = chat?.wasLive === false;
    if (chat) chat.wasLive = true;
    showHelp(undefined);
    showStatus('live', `Connected to ${new URL(gateway).host}`);
    if (first) for (const { name } of model.byRecency()) void fetchHistory(name);
  });
  client.on('disconnected', ({ why, retryIn }) => {
    const wait = retryIn < 1000 ? 'now' : `in ${Math.round(retryIn / 1000)} s`;
    showStatus('waiting', `Not connected: ${why}. Trying again ${wait}.`);
    if (chat?.wasLive === false) showHelp(noConnection());
    model.disconnected();
    show();
  });
  client.on('message', (message) => {
    model.push(message, chat?.open);
    show();
  });
  client.on('receipt', (receipt) => {
    if (model.receipt(receipt)) show();
  });
  client.on('typing', (typing) => {
    const person = model.typing(typing, performance.now());
    if (!person) return;
    show();
    // A little later, so that its time is over then.
    setTimeout(show, typing.expires_in + 50);
  });
  client.on('presence', (presence) => {
    if (model.presence(presence)) show();
  });
  client.on('watch_refused', (error) => console.warn(`the gateway does not tell who is online: ${error.text}`));
  client.on('expiring', ({ expires }) => {
    showStatus('live', `Connected, but the token expires at ${timeOf(expires)}: log in again with another one.`);
  });
  client.on('fatal', (fatal) => {
    showStatus('stopped', 'Disconnected');
    model.disconnected();
    show();
    const replaced = fatal.code === 4204;
    showHelp({
      title: replaced ? 'Open in another window' : 'The session has ended',
      text: replaced ? 'This user is connected from another window of this browser.' : `${fatal.message}.`,
      action: replaced ? 'Use it here' : 'Log in again',
      run: () => {
        if (!replaced) forgetToken();
        location.reload();
      },
    });
  });
}

/** The browser does not tell a page why a connection failed; a certificate is the usual reason. */
function noConnection() {
  return {
    title: 'No connection to the gateway',
    steps: [
      `Is the cluster running? The gateway should answer at https://${location.host}/.`,
      'If the browser warns there about the certificate, it does not know the cluster’s authority. Import '
        + 'ca.pem from the cluster’s data folder into the browser’s trusted authorities, or accept the '
        + 'certificate for this address.',
      'Then come back to this page.',
    ],
    action: 'Try again',
    run: () => location.reload(),
  };
}

/** @param {string} name */
async function fetchHistory(name) {
  if (!chat) return;
  const { client, model } = chat;
  const person = model.person(name);
  try {
    const to = recipient(name);
    const of = 'group' in to ? { conversation: to.group } : to;
    const page = await client.history({ ...of, before: person.older, limit: RECENT });
    person.older = page.next;
    for (const message of page.messages) model.add(message);
  } catch (error) {
    console.warn(`history of ${name}`, error);
  }
  show();
}

/** Puts the model on the screen, and what is to be kept into the browser. */
function show() {
  if (!chat) return;
  const { client, model, watched, counts, open } = chat;
  const visible = document.visibilityState === 'visible';
  counts.look(open !== undefined && visible ? model.unread(model.person(open)) : undefined);
  if (open !== undefined) {
    const person = model.person(open);
    const read = visible ? model.look(person) : undefined;
    if (read) void client.read(read.conversation, read.upTo);
    showThread(model, person, () => void fetchHistory(open));
  }
  keepPeople(model.me, model.kept());
  watched.want(model.toWatch());
  showPeople(model, open, choose);
  const unread = [...model.people.values()].reduce((sum, person) => sum + person.unread, 0);
  document.title = unread > 0 ? `(${unread}) ChatCluster` : 'ChatCluster';
}

/** @param {string} name */
function choose(name) {
  if (!chat) return;
  const fresh = !chat.model.people.has(name);
  chat.open = name;
  byId('chat').dataset.open = '';
  show();
  if (fresh) void fetchHistory(name);
  byId('said').focus();
}

/**
 * Makes a group of several people.
 * @param {string[]} names
 */
async function gather(names) {
  if (!chat) return;
  const { client, model } = chat;
  const members = [...new Set(names)].filter((name) => name !== model.me);
  try {
    choose(`#${await client.createGroup([model.me, ...members].join(', ').slice(0, 100), members)}`);
  } catch (error) {
    byId('new-error').textContent = error instanceof Error ? error.message : String(error);
  }
}

/** @param {string} text */
async function say(text) {
  if (!chat?.open) return;
  const { client, model, open: name } = chat;
  const ref = newReference();
  model.sending(name, { ref, text, at: Date.now() });
  show();
  try {
    model.sent(name, await client.send(recipient(name), text, { ref }));
  } catch (error) {
    model.failed(name, ref, error instanceof Error ? error.message : String(error));
  }
  show();
}

/**
 * @param {string} id
 * @param {() => void} submit
 */
function onSubmit(id, submit) {
  byId(id).addEventListener('submit', (event) => {
    event.preventDefault();
    submit();
  });
}

onSubmit('login-form', () => {
  const field = /** @type {HTMLTextAreaElement} */ (byId('token'));
  start(field.value.trim());
});

onSubmit('new', () => {
  const field = /** @type {HTMLInputElement} */ (byId('new-name'));
  const names = field.value.split(/[,\s]+/).filter((name) => name !== '');
  const valid = names.length > 0 && names.every(isUserId);
  byId('new-error').textContent = valid ? '' : 'A name is 1 to 128 letters, digits or . _ : @ + -';
  if (!valid) return;
  field.value = '';
  if (names.length > 1) void gather(names);
  else choose(names[0] ?? '');
});

onSubmit('composer', () => {
  const field = /** @type {HTMLTextAreaElement} */ (byId('said'));
  const text = field.value.trimEnd();
  if (text === '') return;
  field.value = '';
  void say(text);
});

byId('said').addEventListener('input', () => {
  if (!chat?.open) return;
  const field = /** @type {HTMLTextAreaElement} */ (byId('said'));
  chat.client.typing(recipient(chat.open), field.value !== '');
});

byId('said').addEventListener('keydown', (event) => {
  // During input of a composed character, Enter belongs to the input method.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  /** @type {HTMLFormElement} */ (byId('composer')).requestSubmit();
});

byId('back').addEventListener('click', () => {
  if (chat) chat.open = undefined;
  delete byId('chat').dataset.open;
  byId('open').hidden = true;
  byId('blank').hidden = false;
  show();
});

byId('logout').addEventListener('click', async () => {
  forgetToken();
  await chat?.client.close();
  location.reload();
});

document.addEventListener('visibilitychange', show);

const token = givenToken();
if (token) start(token);
if (!chat) byId('login').hidden = false;
