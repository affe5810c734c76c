/** The option `hosts`, against DNS rebinding: which names the server answers to. */
import { afterEach, describe, expect, it } from '@jest/globals';

import { AdminApp, type Platform, PLATFORMS, PROBLEM, TOKENS } from '../support/servers/admin-app.js';
import { ask } from '../support/clients/ask.js';
import { RawClient } from '../support/clients/raw-client.js';

async function upgrade(port: number, headers: Record<string, string>) {
  const client = new RawClient({ port, headers });
  const { status, body } = await client.open();
  client.destroy();
  return { status, type: status === 101 ? null : (JSON.parse(body) as { type: string }).type };
}

const as = (host: string) => ({ authorization: 'Bearer do', host });

afterEach(() => AdminApp.closeAll());

describe.each(PLATFORMS)('hosts on %s', (_, platform: Platform) => {
  const start = (hosts?: string[]) => AdminApp.start(platform, { admin: { tokens: TOKENS }, ...(hosts && { hosts }) });

  it.each<[string, Record<string, string>, number]>([
    ['a page of a name that was rebound', { Host: 'evil.example', Origin: 'http://evil.example' }, 403],
    ['the same with a port', { Host: 'evil.example:3000', Origin: 'http://evil.example:3000' }, 403],
    ['a client without an origin', { Host: 'evil.example' }, 403],
    ['a name that ends alike', { Host: 'evilapp.example', Origin: 'http://evilapp.example' }, 403],
    ['the address', { Host: '127.0.0.1' }, 403],
    ['a page of the server', { Host: 'app.example', Origin: 'http://app.example' }, 101],
    ['the same with a port', { Host: 'app.example:3000', Origin: 'http://app.example:3000' }, 101],
    ['the same in another spelling', { Host: 'APP.Example.', Origin: 'http://app.example.' }, 101],
    ['a page of another site', { Host: 'app.example', Origin: 'http://evil.example' }, 403],
  ])('admit or refuse %s', async (__, headers, status) => {
    const app = await start(['app.example']);
    const answer = await upgrade(app.port, headers);
    expect(answer).toEqual({ status, type: status === 101 ? null : 'urn:nestjs-heartbeat:problem:origin-refused' });
  });

  it('log a refusal once, with the option that would allow it', async () => {
    const app = await start(['app.example']);
    for (let turn = 0; turn < 20; turn++) await upgrade(app.port, { Host: `evil${turn}.example` });
    const warnings = app.logger.lines.filter(({ level }) => level === 'warn');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]?.text).toContain('refused the host "evil0.example');
    expect(warnings[0]?.text).toContain('option hosts (HOSTS)');
  });

  it('hold for metrics and the admin API, but for addresses, and not for health', async () => {
    const app = await start(['app.example']);
    for (const path of ['/metrics', '/admin/closed']) {
      for (const [host, status] of [
        ['app.example', 200],
        ['127.0.0.1:9', 200],
        ['localhost', 200],
        ['evil.example', 421],
      ] as const) {
        const answer = await ask({ port: app.port, path, headers: as(host) });
        expect([path, host, answer.status]).toEqual([path, host, status]);
      }
    }
    const { json, headers: sent } = await ask({ port: app.port, path: '/metrics', headers: as('evil.example') });
    expect(json.type).toBe('urn:nestjs-heartbeat:problem:misdirected-request');
    expect(sent['content-type']).toMatch(PROBLEM);
    expect((await ask({ port: app.port, path: '/health', headers: as('evil.example') })).status).toBe(200);
  });

  it('are all without a list', async () => {
    const app = await start();
    expect((await upgrade(app.port, { Host: 'any.example' })).status).toBe(101);
    expect((await ask({ port: app.port, path: '/metrics', headers: { host: 'any.example' } })).status).toBe(200);
  });
});
