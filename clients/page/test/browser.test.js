/** The page in a real browser, which trusts the gateway's authority and ignores no certificate error.
 * With PAGE_SHOTS=FOLDER it leaves screenshots there. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { WAIT, launch, say, shot, talkTo } from './chromium.js';
import { Authority, Gateway, token } from './gateway.js';

/** @type {Authority} */
let authority;
/** @type {Gateway} */
let gateway;
/** @type {import('playwright-core').Browser} */
let browser;
let url = '';

before(async () => {
  authority = new Authority();
  gateway = new Gateway(authority);
  url = await gateway.listen();
  browser = await launch(authority.trustingHome());
});

after(async () => {
  await browser?.close();
  gateway?.end();
  authority?.end();
});

/**
 * A browser of its own for a user. Whatever the page complains about fails the test.
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
async function visit(user = '', options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  /** @type {string[]} */
  const problems = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (entry) => {
    if (/Content Security Policy|Refused/.test(entry.text())) problems.push(entry.text());
  });
  await page.goto(user ? `${url}#token=${token(user)}` : url);
  return { page, context, problems };
}

test('two people talk, and the ticks tell how far each message came', async () => {
  const alice = await visit('alice');
  const bob = await visit('bob');
  await alice.page.getByText('Connected to localhost').waitFor(WAIT);
  await bob.page.getByText('Connected to localhost').waitFor(WAIT);
  await talkTo(alice.page, 'bob');
  await say(alice.page, 'hello bob');
  await alice.page.getByRole('log').getByRole('img', { name: 'delivered' }).waitFor(WAIT);
  await bob.page.getByRole('button', { name: /alice.*hello bob/ }).click(WAIT);
  await alice.page.getByRole('log').getByRole('img', { name: 'read' }).waitFor(WAIT);
  await say(bob.page, 'hello alice');
  await alice.page.getByRole('log').getByText('hello alice').waitFor(WAIT);
  assert.deepEqual([...alice.problems, ...bob.problems], []);
  await Promise.all([alice.context.close(), bob.context.close()]);
});

test('who types is shown, until they send, stop, or say nothing for a while', async () => {
  const alice = await visit('anna');
  const bob = await visit('ben');
  await alice.page.getByText('Connected to localhost').waitFor(WAIT);
  await bob.page.getByText('Connected to localhost').waitFor(WAIT);
  await talkTo(alice.page, 'ben');
  await say(alice.page, 'are you there?');
  await bob.page.getByRole('button', { name: /anna.*are you there/ }).click(WAIT);
  const shown = bob.page.getByText('anna is typing…');
  const field = alice.page.getByLabel('Message', { exact: true });
  const gone = { state: /** @type {const} */ ('hidden'), ...WAIT };
  await field.pressSequentially('hel');
  await shown.waitFor(WAIT);
  await shot(bob.page, 'typing');
  await shown.waitFor(gone); // nothing more came: its time is over
  await alice.page.waitForTimeout(1500); // the gateway is told again after three seconds
  await field.pressSequentially('lo');
  await shown.waitFor(WAIT);
  await field.press('Enter');
  await bob.page.getByRole('log').getByText('hello').waitFor(WAIT);
  await shown.waitFor(gone);
  await field.pressSequentially('x');
  await shown.waitFor(WAIT);
  const stopped = Date.now();
  await field.fill('');
  await shown.waitFor(gone);
  assert.ok(Date.now() - stopped < 1900, 'it was told, and did not only run out');
  assert.deepEqual([...alice.problems, ...bob.problems], []);
  await Promise.all([alice.context.close(), bob.context.close()]);
});

test('who is there is shown beside each name, as long as the page can know', async () => {
  const { page, context, problems } = await visit('olga');
  await page.getByText('Connected to localhost').waitFor(WAIT);
  gateway.said('paul', 'olga', 'hi');
  gateway.said('quinn', 'olga', 'hello');
  const paul = page.getByRole('button', { name: /^paul online .*hi/ });
  const gone = { state: /** @type {const} */ ('hidden'), ...WAIT };
  await page.getByRole('button', { name: /^quinn .*hello/ }).click(WAIT);
  assert.equal(await paul.count(), 0);
  const other = await visit('paul');
  await paul.waitFor(WAIT);
  assert.equal(await page.getByRole('button', { name: /^quinn online/ }).count(), 0);
  await shot(page, 'online');
  await paul.click(WAIT);
  const here = page.locator('#presence');
  await here.getByText('online').waitFor(WAIT);
  gateway.refuses = true;
  gateway.closeAll(4103);
  await page.getByText('Not connected').waitFor(WAIT);
  await paul.waitFor(gone);
  assert.equal(await here.textContent(), '');
  gateway.refuses = false;
  await paul.waitFor(WAIT);
  await here.getByText('online').waitFor(WAIT);
  await other.context.close();
  await paul.waitFor(gone);
  await here.getByText('last seen').waitFor(WAIT);
  assert.deepEqual([...problems, ...other.problems], []);
  await context.close();
});

test('however many people turn up at a time, few lists of them are watched, and the last one is whole', async () => {
  const { page, context } = await visit('rosa');
  await page.getByText('Connected to localhost').waitFor(WAIT);
  const began = Date.now();
  for (let n = 10; n < 40; n += 1) {
    gateway.said(`p${n}`, 'rosa', 'hi');
    await page.getByRole('button', { name: `p${n}` }).waitFor(WAIT);
  }
  const lists = () => gateway.watched.filter(({ by }) => by === 'rosa').map(({ users }) => users.length);
  while (lists().at(-1) !== 30 && Date.now() < began + 2 * WAIT.timeout) await page.waitForTimeout(50);
  assert.equal(lists().at(-1), 30);
  const most = 2 + (Date.now() - began) / 1000;
  assert.ok(lists().length <= most, `${lists()}`);
  await context.close();
});

test('the token leaves the address at once, and a reload goes on', async () => {
  const { page, context, problems } = await visit('carol');
  await page.getByText('Connected to localhost').waitFor(WAIT);
  assert.equal(page.url(), url);
  await talkTo(page, 'dave');
  await say(page, 'before the reload');
  await page.getByRole('log').getByRole('img', { name: 'sent' }).waitFor(WAIT);
  await page.reload();
  await page.getByRole('button', { name: /dave/ }).click(WAIT);
  await page.getByRole('log').getByText('before the reload').waitFor(WAIT);
  assert.equal(await page.getByRole('log').getByText('before the reload').count(), 1);
  assert.deepEqual(problems, []);
  await context.close();
});

test('a pasted token logs in, and what is no token says so', async () => {
  const { page, context } = await visit();
  await page.getByLabel('Token').fill('nonsense');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByText('This is no token').waitFor(WAIT);
  await shot(page, 'login');
  await page.getByLabel('Token').fill(token('erin'));
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByText('Connected to localhost').waitFor(WAIT);
  await context.close();
});

test('what others write is text, whatever it looks like', async () => {
  const { page, context, problems } = await visit('frank');
  await page.getByText('Connected to localhost').waitFor(WAIT);
  gateway.said('mallory', 'frank', '<img src=x onerror="document.title=\'owned\'"><script>1</script>');
  await page.getByRole('button', { name: /mallory/ }).click(WAIT);
  await page.getByRole('log').getByText('<img src=x').waitFor(WAIT);
  assert.equal(await page.locator('.log img, .log script').count(), 0);
  assert.deepEqual(problems, []);
  await context.close();
});

test('a gateway that goes away is told, and what was written meanwhile is sent later', async () => {
  const { page, context } = await visit('grace');
  await page.getByText('Connected to localhost').waitFor(WAIT);
  await talkTo(page, 'heidi');
  gateway.refuses = true;
  gateway.closeAll(4103);
  await page.getByText('Not connected').waitFor(WAIT);
  await say(page, 'written offline');
  await page.getByRole('log').getByRole('img', { name: 'sending' }).waitFor(WAIT);
  await shot(page, 'offline');
  gateway.refuses = false;
  await page.getByRole('log').getByRole('img', { name: 'sent' }).waitFor(WAIT);
  await context.close();
});

test('no connection at the start says what to do', async () => {
  gateway.refuses = true;
  const { page, context } = await visit('ivan');
  await page.getByRole('alertdialog').getByText('ca.pem').waitFor(WAIT);
  await shot(page, 'no-connection');
  gateway.refuses = false;
  await page.getByText('Connected to localhost').waitFor(WAIT);
  await page.getByRole('alertdialog').waitFor({ state: 'hidden', ...WAIT });
  await context.close();
});

test('another window of the same browser takes over, and can be taken back', async () => {
  const { page, context } = await visit('judy');
  await page.getByText('Connected to localhost').waitFor(WAIT);
  gateway.closeAll(4204);
  await page.getByText('Open in another window').waitFor(WAIT);
  await page.getByRole('button', { name: 'Use it here' }).click();
  await page.getByText('Connected to localhost').waitFor(WAIT);
  await context.close();
});

test('a token that expires soon is told of in time', async () => {
  const { page, context, problems } = await visit('lena');
  await page.getByText('Connected to localhost').waitFor(WAIT);
  gateway.expiring('lena', new Date().setHours(14, 5, 0, 0));
  await page.getByText(/the token expires at (14:05|02:05)/).waitFor(WAIT);
  assert.deepEqual(problems, []);
  await context.close();
});

test('a token that is not taken leads back to the login', async () => {
  gateway.closeWith = 4201;
  const { page, context } = await visit('kim');
  await page.getByText('a new token is needed').waitFor(WAIT);
  gateway.closeWith = 0;
  await page.getByRole('button', { name: 'Log in again' }).click();
  await page.getByLabel('Token').waitFor(WAIT);
  await context.close();
});

for (const [name, width, height] of /** @type {[string, number, number][]} */ ([['wide', 1100, 720], ['narrow', 390, 760]])) {
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    test(`a conversation fits a ${name} window, ${colorScheme}`, async () => {
      const user = `user-${name}-${colorScheme}`;
      const hour = 3_600_000;
      const now = Date.now();
      gateway.said('maria', user, 'Are you coming on Thursday?', now - 26 * hour);
      gateway.said(user, 'maria', 'Yes, the seven o’clock train. I’ll bring the projector and the long cable.', now - 25.9 * hour);
      gateway.said('maria', user, 'Perfect.\nRoom 2.14, second floor, left of the stairs.', now - 2 * hour);
      const { page, context, problems } = await visit(user, { viewport: { width, height }, colorScheme });
      await page.getByText('Connected to localhost').waitFor(WAIT);
      await talkTo(page, 'maria');
      await page.getByRole('log').getByText('Perfect.').waitFor(WAIT);
      await say(page, 'Found it on the map, see you there');
      await page.getByRole('log').getByRole('img', { name: 'sent' }).nth(1).waitFor(WAIT);
      gateway.said('tom', user, 'The build is green again');
      const overflows = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.equal(overflows, false);
      await shot(page, `${name}-${colorScheme}`);
      if (name === 'narrow') {
        await page.getByRole('button', { name: 'Back to the conversations' }).click();
        await page.getByText('The build is green again').waitFor(WAIT);
        await shot(page, `${name}-${colorScheme}-list`);
      }
      assert.deepEqual(problems, []);
      await context.close();
    });
  }
}
