/** `GET me`: the sender of an admin request, by tokens and by a guard of the application. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { type AdminRole, ClusterService, identifyAdmin } from 'nestjs-heartbeat';

import { AdminApp, PLATFORMS } from '../support/servers/admin-app.js';

afterEach(() => AdminApp.closeAll());

/** Admits all; the header `x-name` has the name and the role that it sets. */
@Injectable()
class NamingGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
    const [name, role] = request.headers['x-name']?.split(' ') ?? [];
    if (name !== undefined) identifyAdmin(request, name, role as AdminRole | undefined);
    return true;
  }
}

describe.each(PLATFORMS)('GET me on %s', (_name, platform) => {
  it('is the holder of the token', async () => {
    const app = await AdminApp.start(platform);
    const node = app.app.get(ClusterService).nodeId;
    for (const [token, name, role] of [
      ['see', 'screen', 'viewer'],
      ['do', 'ops', 'operator'],
    ] as const) {
      const { status, json } = await app.ask('me', token);
      expect([status, json]).toEqual([200, { name, role, node }]);
    }
    expect((await app.ask('me', null)).status).toBe(401);
    expect((await app.ask('me', 'wrong')).status).toBe(401);
    expect((await app.ask('me?of=ops')).status).toBe(400);
  });

  it.each<[string, Readonly<Record<string, string>>, string, AdminRole | null]>([
    ['a name', { 'x-name': 'ada' }, 'ada', null],
    ['a name and a role', { 'x-name': 'ada viewer' }, 'ada', 'viewer'],
    ['nothing', {}, 'adminGuard', null],
  ])('is what a guard of the application set: %s', async (_what, headers, name, role) => {
    const app = await AdminApp.start(platform, { adminGuard: NamingGuard });
    const { status, json } = await app.ask('me', null, { headers });
    expect([status, json]).toEqual([200, { name, role, node: app.app.get(ClusterService).nodeId }]);
  });
});
