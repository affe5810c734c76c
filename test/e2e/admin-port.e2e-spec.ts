/** The extra `adminPort`: admin API, metrics and health on a port of their own. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, type INestApplication } from '@nestjs/common';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { AdminPort, DrainService, type HeartbeatExtras } from 'nestjs-heartbeat';

import { AdminApp, type Platform, PLATFORMS, PROBLEM, TOKENS } from '../support/servers/admin-app.js';
import { ask } from '../support/clients/ask.js';
import { RawClient } from '../support/clients/raw-client.js';

const admin = { tokens: TOKENS } as const;
const OPERATOR = { authorization: 'Bearer do' };
const HEALTH = ['/health', '/health/live', '/health/ready', '/health/startup'];
const GUARDED = ['/metrics', '/admin/connections', '/admin/nodes', '/admin/doctor', '/admin/closed'];

@Controller()
class OwnController {
  @Get('own')
  own(): string {
    return 'own';
  }

  @Get('docs/page')
  docs(): string {
    return 'page';
  }
}

async function status(port: number, path: string): Promise<number> {
  return (await ask({ port, path, headers: OPERATOR })).status;
}

const others: Server[] = [];
afterEach(async () => {
  await AdminApp.closeAll();
  for (const server of others.splice(0)) server.close();
});

describe.each(PLATFORMS)('adminPort on %s', (_, platform: Platform) => {
  async function start(adminPort: HeartbeatExtras['adminPort'], configure?: (app: INestApplication) => unknown) {
    const running = await AdminApp.start(
      platform,
      { admin, ...(adminPort !== undefined && { adminPort }) },
      configure,
      {
        controllers: [OwnController],
      },
    );
    return { running, port: running.port, own: running.app.get(AdminPort).address?.port ?? 0 };
  }
  const LOOPBACK = { port: 0, host: '127.0.0.1' } as const;

  it('serves health, metrics and the admin API, and nothing else', async () => {
    const { own } = await start(LOOPBACK);
    for (const path of [...HEALTH, ...GUARDED]) expect([path, await status(own, path)]).toEqual([path, 200]);
    for (const path of ['/own', '/', '/docs/page', '/ws', '/Own', '//own', '/x/../own', '/admin/../own', '/adminx']) {
      const { status: answered, headers } = await ask({ port: own, path });
      expect([path, answered]).toEqual([path, 404]);
      expect(headers['content-type']).toMatch(PROBLEM);
    }
    const body = JSON.stringify({ kind: 'user', value: 'u', forMs: 1000 });
    const headers = { ...OPERATOR, 'content-type': 'application/json' };
    expect((await ask({ port: own, path: '/admin/bans', method: 'POST', headers, body })).status).toBe(201);
    expect((await ask({ port: own, path: '/admin/bans', method: 'POST', body: '{' })).status).toBe(401);
    expect((await ask({ port: own, path: '/admin/closed', method: 'PUT' })).status).toBe(405);
  });

  it('takes metrics and the admin API from the port of the application, and leaves health there', async () => {
    const { port } = await start(LOOPBACK);
    for (const path of GUARDED) {
      const { status: answered, headers } = await ask({ port, path, headers: OPERATOR });
      expect([path, answered]).toEqual([path, 404]);
      expect(headers['content-type']).toMatch(PROBLEM);
    }
    for (const path of [...HEALTH, '/own']) expect([path, await status(port, path)]).toEqual([path, 200]);
  });

  it('may stand beside the port of the application, and serve other paths of it', async () => {
    const { port, own } = await start({ ...LOOPBACK, beside: true, also: ['/docs'] });
    for (const each of [port, own]) for (const path of GUARDED) expect(await status(each, path)).toBe(200);
    expect([await status(own, '/docs/page'), await status(own, '/docsx'), await status(own, '/own')]).toEqual([
      200, 404, 404,
    ]);
  });

  it('follows the global prefix', async () => {
    const { own, port } = await start(LOOPBACK, app => app.setGlobalPrefix('api'));
    expect([await status(own, '/api/admin/nodes'), await status(own, '/api/health/live')]).toEqual([200, 200]);
    expect([await status(own, '/admin/nodes'), await status(own, '/api/own')]).toEqual([404, 404]);
    expect([await status(port, '/api/admin/nodes'), await status(port, '/api/own')]).toEqual([404, 200]);
  });

  it('accepts no WebSocket', async () => {
    const { running, own } = await start(LOOPBACK);
    const client = new RawClient({ port: own });
    expect((await client.open()).status).toBe(404);
    client.destroy();
    expect((await ask({ port: own, path: '/admin/connections', headers: OPERATOR })).json.total).toBe(0);
    expect(running.audit).toEqual([]);
  });

  it('answers probes until the end of a drain', async () => {
    const { running, own } = await start(LOOPBACK);
    const client = await running.open();
    // One that answered the close would let the drain end before the last probe.
    client.silent();
    void running.app.get(DrainService).start('test');
    expect([await status(own, '/health/live'), await status(own, '/health/ready')]).toEqual([200, 503]);
    // The drain waits for this client, and so does the end of the application.
    const closing = running.app.close();
    expect(await status(own, '/health/live')).toBe(200);
    client.destroy();
    await closing;
    await expect(status(own, '/health/live')).rejects.toThrow('ECONNREFUSED');
  });

  it('fails the start where the port is taken, and names it', async () => {
    const other = createServer();
    others.push(other);
    await once(other.listen(0, '127.0.0.1'), 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(start({ port, host: '127.0.0.1' })).rejects.toMatchObject({
      code: 'HEARTBEAT_PORT_UNAVAILABLE',
      message: expect.stringContaining(`the admin port ${port} cannot be opened`),
    });
  });

  it.each([-1, 65_536, 1.5, Number.NaN, '9000'])('is refused as %p', async port => {
    await expect(start(port as number)).rejects.toMatchObject({
      code: 'HEARTBEAT_BAD_OPTIONS',
      problems: [expect.objectContaining({ key: 'adminPort' })],
    });
  });
});
