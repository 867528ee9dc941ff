// Sends the load of `chaos.py prepare` with the Node SDK and its defaults. Prints what callers were told.
//
// Usage: chaos.mjs BASE_URL TOKEN LOAD

import { readFileSync } from 'node:fs';
import Metronome, { APIError } from '@metronome/sdk';

const AT_ONCE = 64;
const RESTARTS = 10;

const [base_url, token, path] = process.argv.slice(2);
const writes = JSON.parse(readFileSync(path, 'utf8'));
const client = new Metronome({ baseURL: base_url, bearerToken: token });
const every = Math.max(Math.floor(writes.length / (RESTARTS + 1)), 1);
const told = new Array(writes.length);
let next = 0;
let done = 0;

const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

/** What the caller knows: whether the write took effect. */
async function outcome(number) {
  const { operation, arguments: body } = writes[number];
  const names = operation.split('.').map(camel);
  const resource = names.slice(0, -1).reduce((inner, name) => inner[name], client);
  try {
    await resource[names.at(-1)](body, { headers: { 'x-chaos-id': `write-${number}` } });
    return 'yes';
  } catch (error) {
    return error instanceof APIError && error.status < 500 ? 'no' : 'unknown';
  }
}

async function worker() {
  while (next < writes.length) {
    const number = next;
    next += 1;
    told[number] = await outcome(number);
    done += 1;
    if (done % every === 0) await fetch(`${base_url}/_simulator/restart`, { method: 'POST' });
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, worker));
console.log(JSON.stringify(told));
