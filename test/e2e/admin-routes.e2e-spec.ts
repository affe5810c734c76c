/** Every route below the admin path that Nest has registered: its guard, role, cache header and problem details. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Post } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { AdminApp, PROBLEM } from '../support/servers/admin-app.js';
import { type AdminRoute, adminRoutesOf } from '../support/servers/admin-routes.js';
import type { Answer } from '../support/clients/ask.js';

/** Below the admin path, and not declared through `AdminRoutes`. */
@Controller('admin')
class ForeignController {
  @Get('bare')
  read(): object {
    return {};
  }

  @Post('bare')
  change(): object {
    return {};
  }
}

afterEach(() => AdminApp.closeAll());

const start = (more?: Parameters<typeof AdminApp.start>[3]) =>
  AdminApp.start(() => new ExpressAdapter(), undefined, undefined, more);

function isProblem({ status, headers, json }: Answer, expected: number): boolean {
  const isUncached = headers['cache-control'] === 'no-store';
  return isUncached && status === expected && PROBLEM.test(String(headers['content-type'])) && json.status === expected;
}

/** Routes whose response has no end: they are requested by HEAD. */
const ENDLESS: ReadonlySet<string> = new Set(['GET events']);

/** The parts of `AdminRoutes` that a route lacks. */
async function faultsOf(app: AdminApp, { method, path }: AdminRoute): Promise<string[]> {
  const below = path.slice('/admin/'.length);
  const sent = below.replace(/:\w+/, 'none');
  const send = (token: string | null, query = '', how = method) => app.ask(`${sent}${query}`, token, { method: how });
  const faults: string[] = [];
  if (!isProblem(await send(null), 401)) faults.push('guard');
  const asViewer = await send('see', '', ENDLESS.has(`${method} ${below}`) ? 'HEAD' : method);
  if (method === 'GET' ? asViewer.status === 403 : !isProblem(asViewer, 403)) faults.push('role');
  // Of an unknown node: a snapshot of this one would be written.
  if ((await send('do', '?node=none')).headers['cache-control'] !== 'no-store') faults.push('cache header');
  if (!isProblem(await send('do', '', 'PUT'), 405)) faults.push('wrong method');
  if (!isProblem(await send('do', '?unknown=1'), 400)) faults.push('wrong query');
  return faults.map(fault => `${method} ${path}: ${fault}`);
}

async function allFaults(app: AdminApp): Promise<string[]> {
  const faults: string[] = [];
  for (const route of adminRoutesOf(app)) faults.push(...(await faultsOf(app, route)));
  return faults;
}

describe('the admin routes', () => {
  it('are all declared through AdminRoutes', async () => {
    const app = await start();
    const routes = adminRoutesOf(app).map(({ method, path }) => `${method} ${path.slice('/admin/'.length)}`);
    expect(routes).toEqual(expect.arrayContaining(['GET connections', 'DELETE connections/:id', 'POST heap-snapshot']));
    expect(await allFaults(app)).toEqual([]);
  });

  it('would be found if they were not', async () => {
    const app = await start({ controllers: [ForeignController] });
    expect(await allFaults(app)).toEqual([
      ...['guard', 'cache header', 'wrong method', 'wrong query'].map(fault => `GET /admin/bare: ${fault}`),
      ...['guard', 'role', 'cache header', 'wrong method', 'wrong query'].map(fault => `POST /admin/bare: ${fault}`),
    ]);
  });
});
