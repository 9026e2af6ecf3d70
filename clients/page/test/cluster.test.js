/** Two pages and a terminal on a running cluster: real gateways, Redis Cluster, message service. The browser
 * trusts the cluster's authority and ignores no certificate error. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { WAIT, launch, say, shot, talkTo, trustingHome } from './chromium.js';
import { Cluster } from './cluster.js';

const cluster = new Cluster();
/** @type {import('playwright-core').Browser} */
let browser;

before(async () => {
  await cluster.start();
  browser = await launch(trustingHome(cluster.folder, cluster.authority));
});

after(async () => {
  await browser?.close();
  await cluster.end();
});

/** @param {string} url @param {string} user @param {import('playwright-core').BrowserContextOptions} [options] */
async function visit(url, user, options = {}) {
  const page = await (await browser.newContext(options)).newPage();
  await page.goto(`${url}#token=${await cluster.token(user)}`);
  await page.getByText('Connected to localhost').waitFor(WAIT);
  return page;
}

test('what is said in one window is in the other one of the same user, and not unread', async () => {
  const [one = '', other = ''] = cluster.pages;
  const [here, there] = [await visit(one, 'dora'), await visit(other, 'dora')];
  await talkTo(here, 'erin');
  await say(here, 'From the first window');
  await there.getByRole('button', { name: /erin.*From the first window/ }).waitFor(WAIT);
  assert.equal(await there.title(), 'ChatCluster');
});

test('what is read in one window is not unread in the other one of the same user', async () => {
  const [one = '', other = ''] = cluster.pages;
  const [here, there] = [await visit(one, 'gina'), await visit(other, 'gina')];
  await cluster.chat('send', '--user', 'hugo', '--to', 'gina', 'Are you there?');
  const both = [here, there].map((page) => page.getByRole('button', { name: /hugo.*1 unread/ }));
  await Promise.all(both.map((button) => button.waitFor(WAIT)));
  await both[0]?.click(WAIT);
  await both[1]?.waitFor({ state: 'hidden', ...WAIT });
  assert.equal(await there.title(), 'ChatCluster');
});

test('three people talk in a group that one of them makes', async () => {
  const [one = '', other = ''] = cluster.pages;
  const [ines, jack] = [await visit(one, 'ines'), await visit(other, 'jack')];
  await talkTo(ines, 'jack, kate');
  await ines.getByRole('log').getByText('ines made the group').waitFor(WAIT);
  await jack.getByRole('button', { name: /ines, jack, kate.*made the group.*1 unread/ }).click(WAIT);
  await say(jack, 'Hello, you two');
  await ines.getByRole('log').getByText('jack: Hello, you two').waitFor(WAIT);
  const kate = await visit(other, 'kate');
  await say(ines, 'Welcome, kate');
  const name = await ines.locator('.person[data-name^="#"]').getAttribute('data-name', WAIT);
  await kate.getByRole('button', { name: /Welcome, kate/ }).waitFor(WAIT);
  await ines.getByRole('log').getByText('read by 1 of 2').waitFor(WAIT); // jack looks at the group
  await kate.getByRole('button', { name: /Welcome, kate/ }).click(WAIT);
  const told = ines.getByRole('log').getByText('read by 2 of 2');
  await told.waitFor(WAIT);
  assert.equal(await told.getAttribute('title'), 'jack has read it\nkate has read it');
  await ines.getByRole('log').getByRole('img', { name: 'read' }).waitFor(WAIT);
  await shot(ines, 'group');
  assert.match(await cluster.chat('group', 'show', '--user', 'kate', (name ?? '').slice(1)), /ines.*owner/);
});

test('two people see each other come and go, and what is said meanwhile waits', async () => {
  const [one = '', other = ''] = cluster.pages;
  const [nora, omar] = [await visit(one, 'nora'), await visit(other, 'omar')];
  await talkTo(nora, 'omar');
  await say(nora, 'Hello');
  await omar.getByRole('button', { name: /nora.*Hello/ }).click(WAIT);
  await say(omar, 'Hello to you');
  await nora.getByRole('log').getByText('Hello to you').waitFor(WAIT);
  // Now each has written to the other, so that they may see each other; who looks anew sees it at once.
  const here = await Promise.all(/** @type {const} */ ([[nora, 'omar'], [omar, 'nora']]).map(async ([page, name]) => {
    await page.getByRole('log').getByRole('img', { name: /delivered|read/ }).waitFor(WAIT);
    await page.reload();
    await page.getByRole('button', { name: new RegExp(`^${name}`) }).click(WAIT);
    return page.locator('#presence');
  }));
  await Promise.all(here.map((presence) => presence.getByText('online').waitFor(WAIT)));
  const [omarIsThere] = here;
  const browserOfOmar = omar.context();
  await omar.close();
  await omarIsThere?.getByText('last seen').waitFor(WAIT);
  await say(nora, 'Until tomorrow');
  await nora.getByRole('log').getByRole('img', { name: 'sent' }).waitFor(WAIT);
  const back = await browserOfOmar.newPage();
  await back.goto(`${other}#token=${await cluster.token('omar')}`);
  await back.getByRole('button', { name: /nora.*Until tomorrow.*1 unread/ }).click(WAIT);
  await omarIsThere?.getByText('online').waitFor(WAIT);
  await nora.getByRole('log').getByRole('img', { name: 'sent' }).waitFor({ state: 'hidden', ...WAIT });
});

test('two pages on two gateways and a terminal talk', async () => {
  const [one = '', other = ''] = cluster.pages;
  const alice = await visit(one, 'alice', { viewport: { width: 1200, height: 800 } });
  const bob = await visit(other, 'bob', { viewport: { width: 390, height: 800 }, colorScheme: 'dark' });

  await talkTo(alice, 'bob');
  await say(alice, 'Lunch at noon?');
  await alice.getByRole('log').getByRole('img', { name: 'delivered' }).waitFor(WAIT);
  await bob.getByRole('button', { name: /alice.*Lunch at noon/ }).click(WAIT);
  await alice.getByRole('log').getByRole('img', { name: 'read' }).waitFor(WAIT);
  await bob.getByLabel('Message', { exact: true }).pressSequentially('Yes');
  await alice.getByText('bob is typing…').waitFor(WAIT);
  await say(bob, 'Yes. The usual place?');
  await alice.getByRole('log').getByText('The usual place?').waitFor(WAIT);
  await alice.getByText('bob is typing…').waitFor({ state: 'hidden', ...WAIT });

  await cluster.chat('send', '--user', 'carol', '--to', 'alice', 'May I come along?');
  await alice.getByRole('button', { name: /carol.*May I come along/ }).click(WAIT);
  await say(alice, 'Ask bob');
  await alice.getByRole('log').getByRole('img', { name: /sent|delivered|read/ }).waitFor(WAIT);
  assert.match(await cluster.chat('history', '--user', 'carol', '--with', 'alice'), /Ask bob/);
  await shot(alice, 'cluster-wide-light');
  await shot(bob, 'cluster-narrow-dark');
});
