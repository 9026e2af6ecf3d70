/** A whole ChatCluster on this machine, as `chatcluster-operator local` runs it, and the `chat` command. */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const TARGET = process.env.CARGO_TARGET_DIR
  ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'chatcluster/target');
const PROGRAMS = join(TARGET, 'debug');
const FILE = `
apiVersion: chatcluster.io/v1alpha1
kind: ChatCluster
metadata: {name: page}
spec:
  manager: {managed: {shards: 3, replicasPerShard: 0}}
`;
/** Three times what a busy machine takes to form a Redis Cluster. */
const UP = 60_000;

export class Cluster {
  folder = mkdtempSync(join(tmpdir(), 'page-cluster-'));
  data = join(this.folder, 'data');
  output = '';
  /** The page of each gateway. @type {string[]} */
  pages = [];

  /** Starts it, and returns when clients can connect. */
  async start() {
    const program = join(PROGRAMS, 'chatcluster-operator');
    if (!existsSync(program)) throw new Error(`no ${program}: cargo build --workspace --bins`);
    const file = join(this.folder, 'chatcluster.yaml');
    writeFileSync(file, FILE);
    const port = await twoFreePorts();
    const args = ['local', file, '--data', this.data, '--port-base', String(port)];
    this.operator = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.operator.stdout, this.operator.stderr]) {
      stream.on('data', (text) => { this.output += text; });
    }
    const end = Date.now() + UP;
    while (!existsSync(join(this.data, 'endpoints.yaml'))) {
      if (Date.now() > end || this.operator.exitCode !== null) throw new Error(`the cluster did not start:\n${this.output}`);
      await sleep(50);
    }
    this.pages = [`https://localhost:${port}/`, `https://localhost:${port + 1}/`];
  }

  get authority() {
    return join(this.data, 'ca.pem');
  }

  /** @param {string} user */
  async token(user) {
    return (await this.chat('token', '--user', user)).trim();
  }

  /** Runs the `chat` command, and returns what it printed. @param {...string} args */
  async chat(...args) {
    const env = { ...process.env, XDG_STATE_HOME: join(this.folder, 'state') };
    const child = spawn(join(PROGRAMS, 'chat'), [...args, '--data', this.data], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [said, complained] = ['', ''];
    child.stdout.on('data', (text) => { said += text; });
    child.stderr.on('data', (text) => { complained += text; });
    const code = await new Promise((resolve) => child.on('close', resolve));
    if (code !== 0) throw new Error(`chat ${args.join(' ')} ended with ${code}: ${complained}`);
    return said;
  }

  async end() {
    const operator = this.operator;
    if (operator && operator.exitCode === null) {
      const gone = new Promise((resolve) => operator.on('close', resolve));
      operator.kill('SIGINT');
      await gone;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The first of two free ports, one after the other. */
async function twoFreePorts() {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    if (await isFree(port) && await isFree(port + 1)) return port;
  }
}

/** @param {number} port */
function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
