// Drives every operation of the Node SDK against the simulator. Writes the responses into a TypeScript file, each with
// the type that the SDK gives it, so that the compiler finds what is missing or of a wrong type.
//
// Usage: strict.mjs BASE_URL TOKEN

import { readFileSync, writeFileSync } from 'node:fs';
import Metronome from '@metronome/sdk';

// An older version of the API than that of the Python SDK: it cannot create a pricing unit, so it uses US cents.
const ids = { unit: '2714e483-4ff1-48e4-9e25-ac732e8f24f2' };

/** Names that the two SDKs spell in other ways than `snake_case` and `camelCase`. */
const NAMES = { transaction_ids: 'transactionIds' };

const TYPES = `import type Metronome from '@metronome/sdk';
import type { PagePromise } from '@metronome/sdk/core/pagination';

/** With fields that this SDK does not know yet. */
type Open<T> = T extends (infer Item)[]
  ? Open<Item>[]
  : T extends object
    ? { [K in keyof T]: Open<T[K]> } & { [field: string]: unknown }
    : T;

/** What the service sends for a method. */
type Body<F> = F extends (...args: any[]) => infer R
  ? R extends PagePromise<any, infer Item>
    ? { data: Open<Item>[]; next_page: string | null } | { data: Open<Item>[]; cursor: string | null }
    : Open<Awaited<R>>
  : never;
`;

const CONFIG = {
  compilerOptions: { strict: true, noEmit: true, skipLibCheck: true, module: 'node16', target: 'es2022', types: [] },
  files: ['responses.ts'],
};

/** The names of all operations, found in the SDK itself so that none can be forgotten. */
function operations(resource, path = []) {
  const methods = path.length ? Object.getOwnPropertyNames(Object.getPrototypeOf(resource)) : [];
  const own = methods.filter((name) => name !== 'constructor').map((name) => [...path, name]);
  const inner = Object.entries(resource).filter(([name, value]) => value?._client && name !== 'webhooks');
  return [...own, ...inner.flatMap(([name, value]) => operations(value, [...path, name]))];
}

const plain = (name) => name.replaceAll('_', '').toLowerCase();

function filled(value) {
  if (typeof value === 'string' && value.startsWith('$')) return ids[value.slice(1)];
  if (Array.isArray(value)) return value.map(filled);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [NAMES[name] ?? name, filled(item)]));
}

const at = (value, path) => path.split('.').reduce((inner, part) => inner[part], value);

function fail(operation, problem) {
  console.log(`${operation}: ${problem}`);
  process.exit(1);
}

/** Sends the request of a step. Returns the response's body; undefined if it has none. */
async function send(client, name, step) {
  const resource = name.slice(0, -1).reduce((inner, part) => inner[part], client);
  const promise = resource[name.at(-1)](filled(step.arguments));
  const text = await (await promise.asResponse()).text();
  if (text.startsWith('%PDF')) return undefined;
  const body = text === '' || text === 'null' ? undefined : JSON.parse(text);
  for (const [id, path] of Object.entries(step.saves)) ids[id] = at(body, path);
  return body;
}

/** A list that the SDK reads page by page shows everything, and nothing twice. */
async function checkPages(client) {
  const [made, seen] = [[], []];
  for (const name of ['a', 'b', 'c']) made.push((await client.v1.customers.create({ name })).data.id);
  for await (const customer of client.v1.customers.list({ limit: 1 })) seen.push(customer.id);
  const wanted = made.every((id) => seen.includes(id));
  if (!wanted || new Set(seen).size !== seen.length) throw new Error(`listed ${seen}, made ${made}`);
}

const [base_url, token] = process.argv.slice(2);
const client = new Metronome({ baseURL: base_url, bearerToken: token, maxRetries: 0 });
const every = operations(client);
const { steps, empty } = JSON.parse(readFileSync('steps.json', 'utf8'));
const driven = new Set();
let source = TYPES;
for (const step of steps) {
  const name = every.find((name) => plain(name.join('.')) === plain(step.operation));
  if (!name) continue;
  const body = await send(client, name, step).catch((error) => fail(name.join('.'), error));
  driven.add(name.join('.'));
  if (body === undefined) continue;
  const items = Array.isArray(body) ? body : body.data;
  if (Array.isArray(items) && !items.length && !empty.includes(step.operation)) fail(name.join('.'), 'an empty list');
  const type = name.map((part) => `['${part}']`).join('');
  source += `export const r${steps.indexOf(step)}_${name.at(-1)}: Body<Metronome${type}> = ${JSON.stringify(body)};\n`;
}
const forgotten = every.map((name) => name.join('.')).filter((name) => !driven.has(name));
if (forgotten.length) fail('not driven', forgotten.join(', '));
await checkPages(client).catch((error) => fail('pages', error));
writeFileSync('responses.ts', source);
writeFileSync('tsconfig.json', JSON.stringify(CONFIG));
console.log(`Node: ${driven.size} of ${every.length} answered, now their types`);
