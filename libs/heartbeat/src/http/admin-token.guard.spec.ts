import { beforeEach, describe, expect, it } from '@jest/globals';

import { Delete, type ExecutionContext, Get, Post } from '@nestjs/common';

import { ClientAddresses } from '../admission/client-addresses.js';
import { resolveOptions } from '../options/resolve-options.js';
import { adminOf } from './admin-actor.js';
import { AdminRoutes } from './admin-routes.js';
import { AdminTokenGuard } from './admin-token.guard.js';
import { FailureWindow } from './failure-window.js';
import { ProblemException } from './problem.exception.js';

const PROXY = '10.0.0.1';
const TOKENS = [
  { token: 'operator-token', role: 'operator', name: 'olga' },
  { token: 'viewer-token', role: 'viewer', name: 'viktor' },
] as const;

@AdminRoutes('/admin')
class Routes {
  @Get()
  read(this: void): void {}

  @Post()
  add(this: void): void {}

  @Delete()
  remove(this: void): void {}
}
const { read, add, remove } = Routes.prototype;
/** The handler of a method. */
const HANDLERS: Readonly<Record<string, object>> = { GET: read, HEAD: read, POST: add, DELETE: remove };

describe('AdminTokenGuard', () => {
  let time: number;
  let guard: AdminTokenGuard;
  let failures: FailureWindow;

  function start(tokens: readonly object[] = TOKENS): AdminTokenGuard {
    const options = resolveOptions({ trustedProxies: [PROXY], admin: { tokens } as object });
    const clock = { now: () => time, wallTime: (moment: number) => new Date(moment) };
    return new AdminTokenGuard(options, clock, failures, new ClientAddresses(options));
  }

  beforeEach(() => {
    time = 1000;
    failures = new FailureWindow();
    guard = start();
  });

  /** The result of a request of a client behind the proxy: `in`, or the status of the refusal. */
  function ask(token: string | null, client = '203.0.113.7', method = 'GET', of = guard): 'in' | number {
    const headers = { 'x-forwarded-for': client, ...(token !== null && { authorization: `Bearer ${token}` }) };
    const request = { method, headers, socket: { remoteAddress: PROXY } };
    const context = {
      switchToHttp: () => ({ getRequest: () => request }),
      getHandler: () => HANDLERS[method],
    } as unknown as ExecutionContext;
    try {
      expect(of.canActivate(context)).toBe(true);
      const known = TOKENS.find(each => each.token === token);
      expect(adminOf(request)).toEqual({ name: known?.name, role: known?.role });
      return 'in';
    } catch (error) {
      if (error instanceof ProblemException) return error.getStatus();
      throw error;
    }
  }

  it.each<[string, string | null, string, 'in' | number]>([
    ['operator, read', 'operator-token', 'GET', 'in'],
    ['operator, change', 'operator-token', 'DELETE', 'in'],
    ['viewer, read', 'viewer-token', 'HEAD', 'in'],
    ['viewer, change', 'viewer-token', 'POST', 403],
    ['wrong token, read', 'wrong', 'GET', 401],
    ['no token, read', null, 'GET', 401],
  ])('admits or refuses a request: %s', (_what, token, method, answer) => {
    expect(ask(token, undefined, method)).toBe(answer);
  });

  it('counts failures of the client behind a trusted proxy, and not of the proxy', () => {
    for (let turn = 0; turn < 10; turn++) expect(ask('wrong')).toBe(401);
    expect([ask('wrong'), ask(null), ask('operator-token')]).toEqual([429, 429, 'in']);
    expect([ask('wrong', '198.51.100.1'), ask('operator-token', '198.51.100.1')]).toEqual([401, 'in']);
    time += 60_000;
    expect(ask('wrong')).toBe(401);
  });

  it('never refuses a valid token, regardless of wrong ones from its address, and does not count it', () => {
    for (let turn = 0; turn < 100; turn++) {
      ask('wrong');
      expect(ask('viewer-token')).toBe('in');
      expect(ask('operator-token', undefined, 'DELETE')).toBe('in');
    }
    expect(failures.blockedMs('203.0.113.7', time)).toBe(60_000);
    time += 60_000;
    expect(ask('wrong')).toBe(401);
  });

  it('counts all addresses of one IPv6 client as one, and no request without a token', () => {
    for (let turn = 0; turn < 20; turn++) ask(null, '2001:db8::1');
    for (let turn = 0; turn < 10; turn++) expect(ask('wrong', `2001:db8::${turn}`)).toBe(401);
    expect([ask('wrong', '2001:db8::ff'), ask('wrong', '2001:db8:0:1::1')]).toEqual([429, 401]);
  });

  it('shares the counts with all other guards of the module', () => {
    const guards = [guard, start()];
    for (let turn = 0; turn < 10; turn++) ask('wrong', undefined, 'GET', guards[turn % 2]);
    expect(guards.map(each => ask('wrong', undefined, 'GET', each))).toEqual([429, 429]);
  });

  it('refuses all and counts nothing while no token is configured', () => {
    const open = start([]);
    for (let turn = 0; turn < 20; turn++) expect(ask('wrong', undefined, 'GET', open)).toBe(401);
  });
});
