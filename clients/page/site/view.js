/** What is on the screen. Texts of others become text nodes, never markup. */

/** @typedef {import('./model.js').Model} Model */
/** @typedef {import('./model.js').Person} Person */
/** @typedef {import('./model.js').Line} Line */

const TICKS = { sending: '·', sent: '✓', delivered: '✓✓', read: '✓✓', failed: '!' };
const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const shortDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

/**
 * An element of the page, by its id.
 * @template {HTMLElement} T
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  return /** @type {T} */ (document.getElementById(id));
}

/**
 * @param {string} tag
 * @param {string} className
 * @param {string} [text]
 */
function element(tag, className, text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/**
 * What is seen, with what it says.
 * @param {string} className
 * @param {string} label
 * @param {string} [text]
 */
function image(className, label, text) {
  const made = element('span', className, text);
  made.title = label;
  made.setAttribute('role', 'img');
  made.setAttribute('aria-label', label);
  return made;
}

/**
 * @param {Model} model
 * @param {string | undefined} open
 * @param {(name: string) => void} choose
 */
export function showPeople(model, open, choose) {
  const people = model.byRecency();
  byId('nobody').hidden = people.length > 0;
  const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.name : undefined;
  byId('people').replaceChildren(...people.map((person) => {
    const item = document.createElement('li');
    item.append(personButton(model, person, person.name === open, choose));
    return item;
  }));
  if (focused !== undefined) {
    [...document.querySelectorAll('.person')].find((it) => it instanceof HTMLElement && it.dataset.name === focused
      && (it.focus(), true));
  }
}

/**
 * @param {Model} model
 * @param {Person} person
 * @param {boolean} current
 * @param {(name: string) => void} choose
 */
function personButton(model, person, current, choose) {
  const last = person.lines.at(-1);
  const button = /** @type {HTMLButtonElement} */ (element('button', 'person'));
  button.type = 'button';
  button.dataset.name = person.name;
  if (current) button.setAttribute('aria-current', 'true');
  const text = last?.mine ? `${TICKS[model.tick(person, last)]} ${last.text}` : last?.text;
  const name = element('span', 'who');
  name.append(element('span', 'name', titleOf(person)));
  if (person.online) name.append(image('dot', 'online'));
  button.append(
    name,
    element('span', 'when', last ? when(last.at) : ''),
    element('span', 'last', isTyping(person) ? 'is typing…' : text ?? 'Say hello'),
  );
  if (person.unread > 0) {
    const unread = element('span', 'unread', String(person.unread));
    unread.append(element('span', 'unseen', ' unread'));
    button.append(unread);
  }
  button.addEventListener('click', () => choose(person.name));
  return button;
}

/** @param {Person} person */
function titleOf(person) {
  return person.title ?? (person.name.startsWith('#') ? 'A group' : person.name);
}

/** @param {Person} person */
function isTyping(person) {
  return (person.typingUntil ?? 0) > performance.now();
}

/** @param {number} at */
function when(at) {
  const date = new Date(at);
  return date.toDateString() === new Date().toDateString() ? time.format(date) : shortDay.format(date);
}

/**
 * The open conversation. What is there stays where it is, so that a reader of the screen hears only what
 * is new.
 * @param {Model} model
 * @param {Person} person
 * @param {() => void} askOlder
 */
export function showThread(model, person, askOlder) {
  byId('blank').hidden = true;
  byId('open').hidden = false;
  byId('who').textContent = titleOf(person);
  const presence = byId('presence');
  const isThere = person.online ? 'online' : person.lastSeen ? `last seen ${when(person.lastSeen)}` : '';
  if (presence.textContent !== isThere) presence.textContent = isThere;
  const typing = byId('typing');
  const text = isTyping(person) ? `${person.name} is typing…` : '';
  if (typing.textContent !== text) typing.textContent = text;
  const log = byId('log');
  const atEnd = log.dataset.person !== person.name || log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const fromEnd = log.scrollHeight - log.scrollTop;
  const before = log.dataset.person === person.name ? log.children : [];
  const there = new Map([...before].map((it) => [/** @type {HTMLElement} */ (it).dataset.key, it]));
  log.dataset.person = person.name;
  const wanted = rows(model, person, askOlder).map((row) => {
    const old = there.get(row.dataset.key);
    return old?.isEqualNode(row) ? old : row;
  });
  sync(log, wanted);
  log.scrollTop = atEnd ? log.scrollHeight : log.scrollHeight - fromEnd;
}

/**
 * Makes these the children, without touching those that are in place.
 * @param {HTMLElement} parent
 * @param {Element[]} wanted
 */
function sync(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  wanted.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}

/**
 * @param {Model} model
 * @param {Person} person
 * @param {() => void} askOlder
 */
function rows(model, person, askOlder) {
  const made = [];
  if (person.older !== undefined) {
    const button = element('button', 'quiet older', 'Show older messages');
    button.dataset.key = `older:${person.older}`;
    button.addEventListener('click', askOlder);
    made.push(button);
  }
  let lastDay = '';
  /** @type {boolean | undefined} */
  let lastMine;
  for (const line of person.lines) {
    const thisDay = day.format(line.at);
    if (thisDay !== lastDay) {
      const heading = element('div', 'day', thisDay);
      heading.dataset.key = `day:${thisDay}`;
      made.push(heading);
      lastMine = undefined;
    }
    made.push(message(model, person, line, lastMine !== line.mine));
    lastDay = thisDay;
    lastMine = line.mine;
  }
  return made;
}

/**
 * @param {Model} model
 * @param {Person} person
 * @param {Line} line
 * @param {boolean} turn another one speaks
 */
function message(model, person, line, turn) {
  const row = element('div', `message${line.mine ? ' mine' : ''}${turn ? ' turn' : ''}`);
  row.dataset.key = line.ref ?? line.id;
  if (line.from === undefined) row.append(element('span', 'unseen', line.mine ? 'You: ' : `${person.name}: `));
  else row.append(element('span', 'from', `${line.from}: `));
  const text = element('span', 'text', line.text);
  const meta = element('span', 'meta', `${time.format(line.at)} `);
  if (line.mine) {
    const state = model.tick(person, line);
    const tick = image('tick', state, TICKS[state]);
    tick.dataset.state = state;
    if (line.counts) meta.append(counted(line.counts));
    meta.append(tick);
  }
  row.append(text, meta);
  if (line.why) row.append(element('p', 'why', line.why));
  return row;
}

/**
 * How many have it; on a closer look, who.
 * @param {import('./client/protocol.js').Receipts} counts
 */
function counted({ of, delivered, read, members = [] }) {
  const text = read > 0 ? `read by ${read} of ${of} ` : `received by ${delivered} of ${of} `;
  const made = element('span', 'counts', text);
  const has = (/** @type {{ delivered: boolean, read: boolean }} */ one) =>
    one.read ? 'has read it' : one.delivered ? 'has received it' : 'has not received it yet';
  made.title = members.map((one) => `${one.user} ${has(one)}`).join('\n');
  return made;
}

/** @param {number} at */
export function timeOf(at) {
  return time.format(new Date(at));
}

/**
 * @param {'waiting' | 'live' | 'stopped'} state
 * @param {string} text
 */
export function showStatus(state, text) {
  const status = byId('status');
  status.dataset.state = state;
  if (status.textContent !== text) status.textContent = text;
}

/**
 * Says what to do.
 * @param {{ title: string, text?: string, steps?: string[], action: string, run: () => void } | undefined} help
 */
export function showHelp(help) {
  const box = byId('help');
  box.hidden = help === undefined;
  if (!help) return;
  byId('help-title').textContent = help.title;
  const content = byId('help-text');
  content.replaceChildren();
  if (help.text) content.append(element('p', '', help.text));
  if (help.steps) {
    const list = document.createElement('ol');
    list.append(...help.steps.map((step) => element('li', '', step)));
    content.append(list);
  }
  const action = byId('help-action');
  action.textContent = help.action;
  action.onclick = help.run;
}
