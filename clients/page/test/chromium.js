/** Chromium for tests, and what a person does on the page. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const CHROMIUM = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
  .find((path) => existsSync(path)) ?? 'chromium';

export const WAIT = { timeout: 15_000 };

/** A browser with this home folder. @param {string} home */
export function launch(home) {
  return chromium.launch({
    executablePath: CHROMIUM,
    // Tests run as root in containers, where Chromium's own sandbox cannot.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    env: { ...process.env, HOME: home },
  });
}

/** Makes `home` a home folder whose Chromium trusts this authority. @param {string} home @param {string} authority */
export function trustingHome(home, authority) {
  const database = join(home, '.pki/nssdb');
  mkdirSync(database, { recursive: true });
  execFileSync('certutil', ['-N', '-d', `sql:${database}`, '--empty-password']);
  execFileSync('certutil', ['-A', '-d', `sql:${database}`, '-n', 'test', '-t', 'C,,', '-i', authority]);
  return home;
}

/** @param {import('playwright-core').Page} page @param {string} name */
export async function talkTo(page, name) {
  await page.getByLabel('Name of a user to talk to').fill(name);
  await page.getByRole('button', { name: 'Talk' }).click();
}

/** @param {import('playwright-core').Page} page @param {string} text */
export async function say(page, text) {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.keyboard.press('Enter');
}

/** @param {import('playwright-core').Page} page @param {string} name */
export async function shot(page, name) {
  if (process.env.PAGE_SHOTS) await page.screenshot({ path: join(process.env.PAGE_SHOTS, `${name}.png`) });
}
