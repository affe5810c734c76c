/** Handshake guards that refuse, fail, hang or answer by themselves, and their clients that leave: one gateway, a case in each path. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type CanActivate,
  type ExecutionContext,
  ForbiddenException,
  HttpException,
  Injectable,
  NotFoundException,
  ServiceUnavailableException,
  type Type,
} from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import {
  DrainService,
  HandshakeGuards,
  type HandshakeMiddleware,
  type HeartbeatOptions,
  type PathParams,
} from 'nestjs-heartbeat';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { EMPTY, NEVER, Observable, of, throwError } from 'rxjs';
import { TestApp } from '../support/servers/app.js';
import { collected } from '../support/assert/heap-bytes.js';
import { until } from '../support/assert/until.js';

type Guarded = IncomingMessage & { params: PathParams; user?: unknown; huge?: unknown };

/** The cases of guards that have begun, and those whose Observable was unsubscribed. */
let begun: string[] = [];
let unsubscribed = 0;
let contexts: ExecutionContext[] = [];

const endless = new Observable<boolean>(() => () => unsubscribed++);

const CASES: Record<string, (request: Guarded, response: ServerResponse) => unknown> = {
  true: () => true,
  truthy: () => 'yes',
  promise: async () => true,
  observable: () => of(false, true),
  huge: request => {
    request.huge = Array.from({ length: 1e6 }, (_, index) => index);
    return true;
  },
  false: () => false,
  'promise-false': async () => false,
  'observable-false': () => of(true, false),
  nothing: () => undefined,
  forbidden: () => {
    throw new ForbiddenException('Not you.');
  },
  'not-found': () => throwError(() => new NotFoundException('No such room.')),
  teapot: () => Promise.reject(new HttpException({ message: 'tea\r\nSet-Cookie: a=b' }, 418)),
  custom: () => {
    throw new HttpException('custom', 499);
  },
  slow: (_request, response) => {
    response.setHeader('Retry-After', '7');
    throw new HttpException('Slow down.', 429);
  },
  unavailable: () => {
    throw new ServiceUnavailableException('Later.');
  },
  redirect: (_request, response) => {
    response.writeHead(302, { Location: 'https://login.example.com' }).end('moved');
    return NEVER;
  },
  ended: (_request, response) => {
    response.end('<h1>no</h1>');
    return NEVER;
  },
  string: () => {
    throw 'a string';
  },
  error: async () => {
    throw new TypeError('broken');
  },
  ok: () => {
    throw new HttpException('is no refusal', 200);
  },
  empty: () => EMPTY,
  never: () => NEVER,
  endless: () => endless,
  hangs: () => new Promise(() => {}),
};

@Injectable()
class CaseGuard implements CanActivate {
  canActivate(context: ExecutionContext): never {
    contexts.push(context);
    const http = context.switchToHttp();
    const request = http.getRequest<Guarded>();
    begun.push(String(request.params.case));
    return CASES[String(request.params.case)]!(request, http.getResponse<ServerResponse>()) as never;
  }
}

@HandshakeGuards(CaseGuard)
@WebSocketGateway({ path: '/guarded/:case' })
class GuardedGateway {}

beforeEach(() => {
  [begun, contexts, unsubscribed] = [[], [], 0];
});
afterEach(() => TestApp.closeAll());

const start = (options: HeartbeatOptions = {}, gateways: Type<unknown>[] = [GuardedGateway]) =>
  TestApp.start({ gateways, options });
const ask = (app: TestApp, name: string) => app.client({ path: `/guarded/${name}` }).open();

describe('The result of a handshake guard', () => {
  it('decides about the upgrade, with problem details and a delay where one is due', async () => {
    const app = await start({ limits: { handshakeTimeoutMs: 300 } });
    const events = app.recordEvents();
    const expected: [name: string, status: number, detail?: RegExp | string, retryAfter?: RegExp][] = [
      ['true', 101],
      ['truthy', 101],
      ['promise', 101],
      ['observable', 101],
      ['huge', 101],
      ['false', 403, /refused/],
      ['promise-false', 403],
      ['observable-false', 403],
      ['nothing', 403],
      ['forbidden', 403, 'Not you.'],
      ['not-found', 404, 'No such room.'],
      ['teapot', 418, /^(?!.*\n)/],
      ['custom', 499, 'custom'],
      ['slow', 429, 'Slow down.', /^7$/],
      ['unavailable', 503, 'Later.', /^([2-9]|10)$/],
      ['redirect', 302],
      ['ended', 403],
      ['string', 500, /log of the server/],
      ['error', 500],
      ['ok', 500],
      ['empty', 500],
      ['never', 503, /within 300 ms/, /^\d+$/],
      ['endless', 503],
      ['hangs', 503],
    ];
    const answers = await Promise.all(expected.map(([name]) => ask(app, name)));
    for (const [index, [name, status, detail, retryAfter]] of expected.entries()) {
      const { body, headers, ...answer } = answers[index]!;
      expect([name, answer.status]).toEqual([name, status]);
      if (status === 101) continue;
      const problem = JSON.parse(body) as { type: string; status: number; detail: string };
      const isTimeout = ['never', 'endless', 'hangs'].includes(name);
      const type = `urn:nestjs-heartbeat:problem:${isTimeout ? 'authentication-timeout' : 'guard-refused'}`;
      expect(problem).toMatchObject({ type, status });
      expect(problem.detail).toMatch(detail ?? /./);
      expect(headers['retry-after'] ?? '').toMatch(retryAfter ?? (isTimeout ? /\d/ : /^$/));
      expect(headers['content-type']).toBe('application/problem+json');
      expect(headers['set-cookie']).toBeUndefined();
    }
    expect(answers[expected.findIndex(([name]) => name === 'redirect')]!.headers.location).toBe(
      'https://login.example.com',
    );
    expect(unsubscribed).toBe(1);
    expect(app.connections.count).toBe(5);
    expect(events.filter(event => event.type === 'refused')).toHaveLength(expected.length - 5);
    expect(
      app.logged('error').filter(line => line.includes('a handshake guard of GuardedGateway failed')),
    ).toHaveLength(1);
  });

  it.each([
    ['false', 4503, /^guard-refused$/],
    ['not-found', 4503, /^guard-refused$/],
    ['slow', 1013, /^guard-refused; retry-after=7000$/],
    ['unavailable', 1013, /^guard-refused; retry-after=\d+$/],
    ['error', 1013, /^guard-refused$/],
  ])('is a close code with refuseWith: close: %s is %d', async (name, code, reason) => {
    const app = await start({ limits: { refuseWith: 'close', maxConnections: 1 } });
    const client = await app.opened({ path: `/guarded/${name}` });
    expect(await client.ended).toMatchObject({ code, reason: expect.stringMatching(reason) });
  });

  it('is asked for after the checks that need no user, and holds a slot until it is there', async () => {
    const app = await start({ limits: { maxConnections: 1 } });
    const foreign = { path: '/guarded/true', headers: { Origin: 'https://evil.example.com' } };
    expect((await app.client(foreign).open()).body).toContain('origin-refused');
    expect(begun).toEqual([]);
    for (let round = 0; round < 3; round++) {
      const waiting = app.client({ path: '/guarded/hangs' });
      void waiting.open().catch(() => undefined);
      await until(() => begun.length === round + 1);
      expect((await ask(app, 'true')).body).toContain('at-capacity');
      waiting.socket.resetAndDestroy();
      await waiting.ended;
      await until(async () => (await ask(app, 'false')).status === 403);
      begun.length = round + 1;
    }
    expect((await ask(app, 'true')).status).toBe(101);
  });

  it('may arrive after its client, which costs nothing', async () => {
    const app = await start({ limits: { maxConnections: 1 } });
    const results: ((result: boolean) => void)[] = [];
    CASES.held = () => new Promise(resolve => results.push(resolve));
    CASES.fails = () => new Promise((_resolve, reject) => results.push(() => reject(new Error('late'))));
    for (const name of ['held', 'fails', 'held']) {
      const client = app.client({ path: `/guarded/${name}` });
      void client.open().catch(() => undefined);
      await until(() => results.length === 1);
      client.socket.resetAndDestroy();
      await client.ended;
      await until(async () => (await ask(app, 'false')).status === 403);
      results.pop()!(true);
      await new Promise(resolve => setImmediate(resolve));
    }
    expect([app.connections.count, app.logged('error'), app.logged('warn')]).toEqual([0, [], []]);
    expect((await ask(app, 'true')).status).toBe(101);
  });

  it('lets a drain that began meanwhile refuse', async () => {
    const app = await start({ drain: { spreadMs: 0, deadlineMs: 3000 } });
    const results: ((result: boolean) => void)[] = [];
    CASES.held = () => new Promise(resolve => results.push(resolve));
    const answer = ask(app, 'held');
    await until(() => results.length === 1);
    await app.app.get(DrainService).start('a test');
    results[0]!(true);
    expect((await answer).body).toContain('draining');
  });

  it('does not keep the request, and what guards attached to it, in memory', async () => {
    const app = await start();
    const attached: WeakRef<object>[] = [];
    CASES.attaches = request => {
      const user = { name: 'ann' };
      attached.push(new WeakRef(user));
      request.user = user;
      return true;
    };
    for (let count = 0; count < 3; count++) await app.opened({ path: '/guarded/attaches' });
    contexts = [];
    await until(() => {
      collected();
      return attached.every(reference => reference.deref() === undefined);
    });
    expect(app.connections.count).toBe(3);
  });
});

describe('The context of a handshake guard', () => {
  class Instance implements CanActivate {
    canActivate(context: ExecutionContext): boolean {
      contexts.push(context);
      return true;
    }
  }

  @HandshakeGuards(new Instance(), CaseGuard)
  @WebSocketGateway({ path: 'guarded/:case/' })
  class SecondGateway {}

  it('is that of an HTTP request, for each gateway of the path, whose guards all apply', async () => {
    const app = await start({}, [GuardedGateway, SecondGateway]);
    const seen: Guarded[] = [];
    CASES.seen = request => seen.push(request);
    expect((await ask(app, 'seen')).status).toBe(101);
    expect(contexts.map(context => context.getClass())).toEqual([GuardedGateway, SecondGateway, SecondGateway]);
    const [first, second] = contexts as [ExecutionContext, ExecutionContext];
    const http = first.switchToHttp();
    expect([first.getType(), typeof first.getHandler(), first.getHandler() === second.getHandler()]).toEqual([
      'http',
      'function',
      false,
    ]);
    expect(http.getRequest()).toBe(seen[0]);
    expect(first.getArgs()).toEqual([http.getRequest(), http.getResponse(), http.getNext()]);
    expect(first.getArgByIndex(1)).toBe(http.getResponse());
    expect(() => first.switchToWs()).toThrow(/switchToHttp/);
    expect(() => first.switchToRpc()).toThrow(/switchToHttp/);
    let refusals = 0;
    CASES.second = () => ++refusals < 2;
    expect((await ask(app, 'second')).status).toBe(403);
    expect(refusals).toBe(2);
  });

  it('guards nothing else: a class that is no gateway stops the start', async () => {
    @HandshakeGuards(CaseGuard)
    @Injectable()
    class NoGateway {}

    await expect(TestApp.start({ gateways: [NoGateway] })).rejects.toMatchObject({
      code: 'HEARTBEAT_BAD_OPTIONS',
      message: expect.stringContaining('NoGateway has @HandshakeGuards() but is no gateway'),
    });
  });
});

describe('handshakeMiddleware', () => {
  @WebSocketGateway({ path: '/ws' })
  class PlainGateway {}

  const run = async (...handshakeMiddleware: HandshakeMiddleware[]) => {
    const seen: unknown[] = [];
    const app = await TestApp.start({
      gateways: [PlainGateway],
      options: {
        limits: { handshakeTimeoutMs: 200 },
        handshakeMiddleware,
        authenticate: request => {
          seen.push((request as Guarded).user);
          return null;
        },
      },
    });
    const { status, headers, body } = await app.client().open();
    return { status, headers, body, seen, errors: app.logged('error') };
  };

  it('runs in order before authenticate, also without guards, and its headers join any answer', async () => {
    const { status, headers, seen } = await run(
      (request: Guarded, response, next) => {
        request.user = ['first'];
        response.setHeader('X-Trace', 'a');
        response.setHeader('Content-Type', 'text/html');
        next();
      },
      async (request: Guarded, _response, next) => {
        await Promise.resolve();
        request.user = [...(request.user as string[]), 'second'];
        next(null);
        next(new Error('twice'));
      },
    );
    expect([status, headers['x-trace'], headers['content-type'], seen]).toEqual([
      401,
      'a',
      'application/problem+json',
      [['first', 'second']],
    ]);
  });

  it.each<[string, HandshakeMiddleware, number, string, number]>([
    ['passes an HttpException', (_a, _b, next) => next(new ForbiddenException('No.')), 403, 'guard-refused', 0],
    ['passes another error', (_a, _b, next) => next('broken'), 500, 'guard-refused', 1],
    [
      'throws',
      () => {
        throw new Error('broken');
      },
      500,
      'guard-refused',
      1,
    ],
    ['rejects', () => Promise.reject(new Error('broken')), 500, 'guard-refused', 1],
    ['ends the response', (_a, response) => response.writeHead(429).end(), 429, 'guard-refused', 0],
    ['never continues', () => undefined, 503, 'authentication-timeout', 0],
  ])('that %s refuses', async (_what, middleware, status, reason, logged) => {
    const answer = await run(middleware);
    expect([answer.status, answer.seen, answer.errors.length]).toEqual([status, [], logged]);
    expect(answer.body).toContain(`:${reason}"`);
    expect(answer.errors.every(line => line.includes('handshakeMiddleware failed'))).toBe(true);
  });
});

describe('identityFromRequest', () => {
  it.each<[string, unknown, string | null]>([
    ['an identity', { userId: 'ann', labels: { plan: 'free' } }, 'ann'],
    ['a promise of one', Promise.resolve({ userId: 'ann' }), 'ann'],
    ['null, for an anonymous client', null, null],
  ])('admits with %s', async (_what, value, userId) => {
    const app = await start({ identityFromRequest: () => value as null });
    await app.opened({ path: '/guarded/true' });
    expect(app.connections.find({}).map(connection => connection.userId)).toEqual([userId]);
    expect(app.logged('warn')).toEqual([]);
  });

  it.each<[string, () => unknown]>([
    ['nothing', () => undefined],
    ['a text of authenticate', () => 'deferred'],
    ['no identity', () => ({ userId: 7 })],
    ['a rejection', () => Promise.reject(new Error('broken'))],
    [
      'an exception',
      () => {
        throw new Error('broken');
      },
    ],
  ])('refuses with %s, by 401 and a line in the log', async (_what, given) => {
    const app = await start({ identityFromRequest: given as () => null });
    expect((await ask(app, 'true')).status).toBe(401);
    expect(app.logged('warn').filter(line => line.includes('identityFromRequest failed'))).toHaveLength(1);
  });

  it('is refused at the start beside authenticate, which sees what guards attached', async () => {
    const both = { identityFromRequest: () => null, authenticate: () => null };
    await expect(start(both)).rejects.toMatchObject({
      code: 'HEARTBEAT_BAD_OPTIONS',
      problems: [expect.objectContaining({ key: 'identityFromRequest' })],
    });
    CASES.user = request => (request.user = 'ann');
    const app = await start({ authenticate: request => ({ userId: (request as Guarded).user as string }) });
    expect((await ask(app, 'user')).status).toBe(101);
    expect(app.connections.find({})[0]?.userId).toBe('ann');
  });
});
