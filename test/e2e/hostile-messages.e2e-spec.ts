// Measures: turns of the event loop.
/**
 * Malicious messages, and application code that fails in every way: neither may end the process or another's
 * connection. One server serves all tests; should one end it, the next begins another.
 */
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Attack } from '../support/faults/attack.js';
import type { RawClient } from '../support/clients/raw-client.js';
import { until } from '../support/assert/until.js';

let attack: Attack;
let bystander: RawClient;

beforeEach(async () => {
  if (!(attack as Attack | undefined)?.isAlive)
    attack = await Attack.lay({ options: { limits: { maxMessageBytes: 512 * 1024 } } });
  bystander = await attack.opened();
});
afterEach(() => attack.dismiss());
afterAll(() => Attack.raiseAll());

function nested(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth);
}

/** The complaints of the process, the bystander and the observer. */
async function harm(): Promise<string[]> {
  bystander.sendEvent('echo', {});
  const isAnswered = () => bystander.texts.at(-1) === '{"event":"echo","data":{}}';
  await until(() => isAnswered() || bystander.socket.destroyed || !attack.isAlive);
  const complaints = await attack.complaints();
  if (bystander.socket.destroyed) complaints.push('a bystander lost its socket');
  bystander.destroy();
  return complaints;
}

describe('A message that is a trap', () => {
  const DEEP = 100_000;

  const traps: [string, string][] = [
    ['an event that is an object without a text', '{"event":{"toString":1}}'],
    ['an event that is an object whose value is none', '{"event":{"toString":null,"valueOf":null}}'],
    ['an event that is a deep list', `{"event":${nested(DEEP)}}`],
    ['data that is a deep list', `{"event":"echo","data":${nested(DEEP)}}`],
    ['data that is a deep list, answered by a stream', `{"event":"observed","data":${nested(DEEP)}}`],
    ['data that is a deep object', `{"event":"echo","data":${'{"a":'.repeat(DEEP / 2)}1${'}'.repeat(DEEP / 2)}}`],
    ['a list so deep', nested(DEEP)],
    ['a __proto__ beside the event', '{"__proto__":{"polluted":1},"event":"echo","data":{"__proto__":{"polluted":1}}}'],
    ['a __proto__ in the place of the event', '{"__proto__":{"event":"echo"}}'],
    ['a constructor', '{"event":"echo","data":{"constructor":{"prototype":{"polluted":1}}}}'],
    ['events by the names of an object’s own', '{"event":"constructor"}'],
    ['an event by the name of the prototype', '{"event":"__proto__"}'],
    ['a heartbeat without data', '{"event":"heartbeat"}'],
    ['a heartbeat of null', '{"event":"heartbeat","data":null}'],
    ['a number too large', '{"event":"echo","data":1e999}'],
    ['a lone surrogate', '{"event":"\\ud800","data":"\\udfff"}'],
    ['null', 'null'],
  ];

  it.each(traps)('%s, ends neither the process nor another connection', async (_, text) => {
    const client = await attack.opened();
    client.sendText(text);
    // Whatever it is answered, it is still served.
    client.sendEvent('echo', 'after');
    await until(() => client.texts.at(-1) === '{"event":"echo","data":"after"}' || client.socket.destroyed);
    expect(await harm()).toEqual([]);
    expect(client.socket.destroyed).toBe(false);
    client.destroy();
  });

  it('that sets a prototype has set none', async () => {
    const client = await attack.opened();
    client.sendText('{"__proto__":{"polluted":1},"event":"echo","data":{"__proto__":{"polluted":1}}}');
    client.sendEvent('echo', {});
    await until(() => client.messages.length === 2);
    expect(client.texts[1]).toBe('{"event":"echo","data":{}}');
    expect(JSON.stringify(await attack.state())).not.toContain('polluted');
    expect(await harm()).toEqual([]);
  });
});

describe('Application code that fails', () => {
  const KINDS = ['error', 'text', 'nothing', 'null', 'number', 'symbol', 'unspeakable', 'hostile'];

  it('in a handler, in whatever way it throws or rejects, ends nothing but its own work', async () => {
    const client = await attack.opened();
    for (const kind of KINDS) {
      client.sendEvent('throw', kind);
      client.sendEvent('reject', kind);
    }
    client.sendEvent('bigint');
    client.sendEvent('echo', 'after');
    await until(() => client.texts.includes('{"event":"echo","data":"after"}'));
    const exceptions = () => client.json.filter(answer => (answer as { event: string }).event === 'exception');
    await until(() => exceptions().length >= 16);
    expect(await harm()).toEqual([]);
  });

  it('in a stream of answers, ends nothing but its own work', async () => {
    const client = await attack.opened();
    client.sendEvent('observed-bigint');
    client.sendEvent('observed', 'after');
    await until(() => client.texts.includes('{"event":"observed","data":"after"}') || client.socket.destroyed);
    expect(await harm()).toEqual([]);
    expect(client.socket.destroyed).toBe(false);
  });

  it.each(KINDS)('in a disposer, thrown and rejected (%s), ends nothing but its own work', async kind => {
    const client = await attack.opened();
    client.sendEvent('disposer', kind);
    client.sendEvent('echo', 'done');
    await until(() => client.messages.length === 1);
    client.destroy();
    expect(await harm()).toEqual([]);
    await attack.emptied();
    expect(await attack.complaints()).toEqual([]);
  });

  it('in a gateway’s hooks, with what cannot be shown, ends nothing but its own work', async () => {
    for (let i = 0; i < 3; i++) {
      const client = attack.client({ path: '/broken' });
      await client.open().catch(() => undefined);
      client.destroy();
    }
    expect(await harm()).toEqual([]);
    await attack.emptied();
  });

  it('in authenticate, rejecting with what cannot be shown, refuses and ends nothing', async () => {
    const asking = await Attack.lay({ authenticate: 'absurd', observer: false });
    const first = asking.client().open();
    const answer = await first.catch(() => null);
    expect(await asking.complaints()).toEqual([]);
    expect(answer).toMatchObject({ status: 401 });
  });
});
