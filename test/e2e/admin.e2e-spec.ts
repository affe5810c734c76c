import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type CanActivate,
  type ExecutionContext,
  Injectable,
  StandardSchemaValidationPipe,
  UnauthorizedException,
} from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { ClusterService, identifyAdmin } from 'nestjs-heartbeat';

import { AdminApp, PLATFORMS, PROBLEM, TOKENS } from '../support/servers/admin-app.js';
import { ask } from '../support/clients/ask.js';

/** An application's own guard: it refuses in every way that Nest knows. */
@Injectable()
class OwnGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<IncomingMessage>();
    const { headers } = request;
    if (headers['x-name'] !== undefined) identifyAdmin(request, String(headers['x-name']));
    if (headers['x-who'] === undefined) throw new UnauthorizedException('Who is it?');
    return headers['x-who'] === 'boss';
  }
}

afterEach(() => AdminApp.closeAll());

describe.each(PLATFORMS)('the admin routes on %s', (_, platform) => {
  describe('let in', () => {
    it.each(['connections', 'connections/x', 'closed', 'closed/x'])(
      'no request without a right token to %s',
      async path => {
        const admin = await AdminApp.start(platform);
        for (const token of [null, 'wrong']) {
          const { status, headers, json } = await admin.ask(path, token);
          expect(status).toBe(401);
          expect(headers).toMatchObject({ 'www-authenticate': 'Bearer', 'cache-control': 'no-store' });
          expect(headers['content-type']).toMatch(PROBLEM);
          const type = 'urn:nestjs-heartbeat:problem:unauthenticated';
          expect(json).toEqual({ type, title: 'Unauthorized', status: 401, detail: expect.any(String) });
        }
      },
    );

    it('no request where no token is configured, and name the option', async () => {
      const admin = await AdminApp.start(platform, {});
      for (let attempt = 0; attempt < 12; attempt++) {
        const { status, json } = await admin.ask('connections', 'any');
        expect(status).toBe(401);
        expect(json.detail).toMatch(/^No admin token is configured.* admin\.tokens .*ADMIN_TOKEN/);
      }
    });

    it('a viewer to read, and to do no more', async () => {
      const admin = await AdminApp.start(platform);
      await admin.open();
      expect((await admin.ask('connections', 'see')).status).toBe(200);
      expect((await admin.ask('connections', 'see', { method: 'HEAD' })).status).toBe(200);
      const { status, headers, json } = await admin.kick(await admin.firstId(), '', 'see');
      expect([status, json.type]).toEqual([403, 'urn:nestjs-heartbeat:problem:forbidden']);
      expect(headers['content-type']).toMatch(PROBLEM);
      expect((await admin.list('state=open')).total).toBe(1);
    });

    it('no wrong token from an address with ten of them in a minute, and a right one always', async () => {
      const admin = await AdminApp.start(platform);
      for (let attempt = 0; attempt < 10; attempt++) {
        expect((await admin.ask('connections', `wrong${attempt}`)).status).toBe(401);
      }
      for (const token of ['wrong', null]) {
        const { status, headers, json } = await admin.ask('connections', token);
        expect([status, json.type]).toEqual([429, 'urn:nestjs-heartbeat:problem:too-many-failures']);
        expect(Number(headers['retry-after'])).toBeGreaterThan(50);
        expect(Number(headers['retry-after'])).toBeLessThanOrEqual(60);
      }
      expect((await admin.ask('connections', 'wrong', { localAddress: '127.0.0.2' })).status).toBe(401);
      expect((await admin.ask('connections', 'do')).status).toBe(200);
      expect((await admin.kick(await admin.firstId().catch(() => 'none'))).status).toBe(404);
    });

    it('any number of requests without a token to their 401: they guess nothing', async () => {
      const admin = await AdminApp.start(platform);
      for (let attempt = 0; attempt < 12; attempt++) expect((await admin.ask('closed', null)).status).toBe(401);
      expect((await admin.ask('closed')).status).toBe(200);
    });

    it('requests that the app’s own guard admits', async () => {
      const admin = await AdminApp.start(platform, { adminGuard: OwnGuard, admin: { tokens: TOKENS } });
      const as = (who: string) => admin.ask('connections', null, { headers: { 'x-who': who } });
      expect((await as('boss')).status).toBe(200);
      expect(await as('clerk')).toMatchObject({ status: 403, json: { status: 403, detail: 'Forbidden resource' } });
      const { status, headers, json } = await admin.ask('connections', 'do');
      expect([status, json.detail]).toEqual([401, 'Who is it?']);
      expect(headers['content-type']).toMatch(PROBLEM);
    });

    it('a change under the name that a guard of the app gives to the audit log', async () => {
      const admin = await AdminApp.start(platform, { adminGuard: OwnGuard });
      const names: Record<string, string>[] = [{}, { 'x-name': 'ada' }];
      for (const name of names) {
        const headers = { 'x-who': 'boss', 'content-type': 'application/json', ...name };
        await admin.ask('bans/none', null, { method: 'DELETE', headers });
        await admin.ask('bans', null, { method: 'POST', headers, body: '{' });
      }
      const entries = admin.audit.map(line => JSON.parse(line) as { who: string; result: string });
      expect(entries.map(({ who, result }) => [who, result])).toEqual([
        ['adminGuard', 'not-found'],
        ['adminGuard', 'refused: bad-body'],
        ['ada', 'not-found'],
        ['ada', 'refused: bad-body'],
      ]);
    });
  });

  it('read a query once, also under a global pipe of the app', async () => {
    const admin = await AdminApp.start(platform, undefined, app =>
      app.useGlobalPipes(new StandardSchemaValidationPipe()),
    );
    expect((await admin.ask('connections?limit=7&label.a=b')).status).toBe(200);
    const { status, headers, json } = await admin.ask('connections?limit=a&order=b');
    expect(status).toBe(400);
    expect(headers['content-type']).toMatch(PROBLEM);
    expect(json.detail).toContain('limit: must be a whole number from 1 to 500');
    expect(json.detail).toContain('order: must be one of asc, desc');
  });

  it('tell no client what went wrong inside, but the log', async () => {
    const admin = await AdminApp.start(platform);
    admin.app.get(ClusterService).list = () => {
      throw new Error('a secret');
    };
    const { status, headers, text } = await admin.ask('connections');
    expect(status).toBe(500);
    expect(headers['content-type']).toMatch(PROBLEM);
    expect(text).not.toContain('secret');
    const errors = admin.logger.lines.filter(({ level }) => level === 'error');
    expect(errors).toEqual([expect.objectContaining({ text: expect.stringContaining('a secret') })]);
  });

  it('write refused requests into the audit trail and the metrics', async () => {
    const admin = await AdminApp.start(platform, { admin: { tokens: TOKENS }, metrics: { guarded: true } });
    for (let attempt = 0; attempt < 12; attempt++) await admin.ask('nodes', 'wrong');
    await ask({ port: admin.port, path: '/metrics' });
    await admin.kick('some.00000001', '', 'see');
    await admin.ask('bans', 'see', { method: 'POST', body: '{' });
    const common = { who: 'screen', role: 'viewer', from: '127.0.0.1', result: 'forbidden', id: expect.any(String) };
    expect(admin.audit.map(line => JSON.parse(line) as object)).toEqual([
      { ...common, what: 'kick', target: 'some.00000001' },
      { ...common, what: 'ban', target: expect.any(String) },
    ]);
    const headers = { authorization: 'Bearer see' };
    const { text } = await ask({ port: admin.port, path: '/metrics', headers });
    for (const [reason, count] of [
      ['unauthenticated', 10],
      ['too-many-failures', 3],
      ['forbidden', 2],
    ]) {
      expect(text).toContain(`\nws_admin_requests_refused_total{reason="${reason}"} ${count}\n`);
    }
    await AdminApp.closeAll();
    expect(JSON.parse(admin.audit.at(-1)!)).toMatchObject({
      from: '127.0.0.1',
      result: 'refused',
      parameters: { count: 13, unauthenticated: 10, 'too-many-failures': 3 },
    });
    expect(admin.audit).toHaveLength(3);
  });

  it('are where the app wants them', async () => {
    const { port } = await AdminApp.start(platform, { admin: { tokens: TOKENS }, routes: { admin: '/ops' } });
    const headers = { authorization: 'Bearer do' };
    expect((await ask({ port, path: '/ops/connections', headers })).status).toBe(200);
    expect((await ask({ port, path: '/admin/connections', headers })).status).toBe(404);
  });

  it('are nowhere where the app wants none', async () => {
    const admin = await AdminApp.start(platform, { admin: { tokens: TOKENS }, routes: { admin: false } });
    expect((await admin.ask('connections')).status).toBe(404);
  });
});
