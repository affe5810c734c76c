/** Everything global of an application (guards, interceptors, pipes, filters, prefix, versioning) beside the routes of the library. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type ArgumentsHost,
  BadGatewayException,
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  Get,
  HttpException,
  type INestApplication,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  Post,
  Body,
  SetMetadata,
  UnauthorizedException,
  UseGuards,
  VersioningType,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE, HttpAdapterHost, Reflector } from '@nestjs/core';
import type { IncomingMessage } from 'node:http';
import type { HeartbeatExtras } from 'nestjs-heartbeat';
import { catchError, map, type Observable, of, throwError, timeout } from 'rxjs';

import { AdminApp, type Platform, PLATFORMS, PROBLEM, TOKENS } from '../support/servers/admin-app.js';
import { ask } from '../support/clients/ask.js';

const admin = { tokens: TOKENS } as const;
const OPERATOR = { authorization: 'Bearer do' };
const type = (name: string) => `urn:nestjs-heartbeat:problem:${name}`;

const Public = () => SetMetadata('isPublic', true);
const SkipThrottle = () => SetMetadata('THROTTLER:SKIPdefault', true);

/** Nest's documented pattern of an authentication for everything. */
@Injectable()
class JwtGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    if (this.reflector.getAllAndOverride('isPublic', [context.getHandler(), context.getClass()])) return true;
    throw new UnauthorizedException();
  }
}

/** Reads the metadata of the handler only. */
@Injectable()
class HandlerGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    return this.reflector.get('isPublic', context.getHandler()) === true;
  }
}

/** Reads the metadata of the controller only. */
@Injectable()
class ClassGuard extends HandlerGuard {
  constructor(private readonly ofClass: Reflector) {
    super(ofClass);
  }

  override canActivate(context: ExecutionContext): boolean {
    return this.ofClass.get('isPublic', context.getClass()) === true;
  }
}

/** As that of @nestjs/throttler: more than three requests are 429. */
@Injectable()
class ThrottlerGuard implements CanActivate {
  #count = 0;
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const places = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride('THROTTLER:SKIPdefault', places)) return true;
    if (++this.#count > 3) throw new HttpException('ThrottlerException: Too Many Requests', 429);
    return true;
  }
}

@Injectable()
class Envelope implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      timeout(5000),
      map(data => ({ data })),
      catchError(() => throwError(() => new BadGatewayException('mapped'))),
    );
  }
}

/** Remembers the first answer and gives it again, as a cache does. */
@Injectable()
class Cache implements NestInterceptor {
  readonly #kept = new Map<string, unknown>();
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { url = '' } = context.switchToHttp().getRequest<IncomingMessage>();
    if (this.#kept.get(url) !== undefined) return of(this.#kept.get(url));
    return next.handle().pipe(map(value => (this.#kept.set(url, value), value)));
  }
}

/** Makes numbers and booleans of texts, as `transform` with implicit conversion does. */
@Injectable()
class Converting implements PipeTransform {
  transform(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, text]) => {
        if (text === 'true' || text === 'false') return [key, text === 'true'];
        return [key, typeof text === 'string' && /^\d+$/.test(text) ? Number(text) : text];
      }),
    );
  }
}

/** Catches everything and answers in the application's own way. */
@Catch()
class Everything implements ExceptionFilter {
  constructor(private readonly host: HttpAdapterHost) {}
  catch(_error: unknown, host: ArgumentsHost): void {
    this.host.httpAdapter.reply(host.switchToHttp().getResponse(), { own: 'filter' }, 418);
  }
}

@Controller('own')
class OwnController {
  @Get()
  get(): object {
    return { own: true };
  }

  @Post()
  post(@Body() body: unknown): unknown {
    return body;
  }
}

@Controller('admin')
class OwnAdminController {
  @Get('users')
  users(): string[] {
    return ['alice'];
  }

  @Post('users')
  add(@Body() body: unknown): unknown {
    return body;
  }
}

const get = (port: number, path: string, headers: Record<string, string> = {}) => ask({ port, path, headers });

const json = { 'content-type': 'application/json' };

describe.each(PLATFORMS)('the routes of the library on %s', (_, platform: Platform) => {
  const start = (extras: HeartbeatExtras, providers: object[] = [], configure?: (app: INestApplication) => unknown) =>
    AdminApp.start(platform, { admin, ...extras }, configure, {
      providers: providers as never[],
      controllers: [OwnController],
    });
  afterEach(() => AdminApp.closeAll());

  describe.each([
    ['of Nest’s documentation', JwtGuard],
    ['that reads the handler', HandlerGuard],
    ['that reads the class', ClassGuard],
  ])('under a global guard %s', (__, guard) => {
    const providers = [{ provide: APP_GUARD, useClass: guard }];

    it('are served with the application’s own decorators', async () => {
      const { port } = await start({ routeDecorators: [Public()] }, providers);
      for (const path of ['/health', '/health/live', '/health/ready', '/health/startup', '/metrics']) {
        expect([path, (await get(port, path)).status]).toEqual([path, 200]);
      }
      for (const path of ['connections', 'closed', 'bans', 'nodes', 'doctor']) {
        expect([path, (await get(port, `/admin/${path}`, OPERATOR)).status]).toEqual([path, 200]);
        expect([path, (await get(port, `/admin/${path}`)).json.type]).toEqual([path, type('unauthenticated')]);
      }
      const body = JSON.stringify({ kind: 'user', value: 'u', forMs: 1000 });
      const headers = { ...OPERATOR, ...json };
      expect((await ask({ port, path: '/admin/bans', method: 'POST', headers, body })).status).toBe(201);
      expect((await get(port, '/own')).status).toBeGreaterThan(400);
    });

    it('are refused with problem details without them', async () => {
      const { port } = await start({}, providers);
      for (const path of ['/health/live', '/metrics', '/admin/connections']) {
        const { status, headers } = await get(port, path, OPERATOR);
        expect([401, 403]).toContain(status);
        expect(headers['content-type']).toMatch(PROBLEM);
      }
    });
  });

  it('are spared by a global throttler that the decorators name', async () => {
    const { port } = await start({ routeDecorators: [Public(), SkipThrottle()] }, [
      { provide: APP_GUARD, useClass: ThrottlerGuard },
    ]);
    for (let turn = 0; turn < 10; turn++) expect((await get(port, '/health/live')).status).toBe(200);
    const statuses = [];
    for (let turn = 0; turn < 5; turn++) statuses.push((await get(port, '/own')).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
  });

  it('run a guard of the decorators once, after their own', async () => {
    let calls = 0;
    @Injectable()
    class Counting implements CanActivate {
      canActivate(): boolean {
        calls++;
        return true;
      }
    }
    const { port } = await start({ routeDecorators: [UseGuards(Counting)] });
    expect((await get(port, '/admin/closed')).status).toBe(401);
    expect(calls).toBe(0);
    expect((await get(port, '/admin/closed', OPERATOR)).status).toBe(200);
    expect(calls).toBe(1);
  });

  it.each([
    ['wrap answers and map errors', Envelope],
    ['remember answers', Cache],
  ])('keep their bodies under global interceptors that %s', async (__, useClass) => {
    const { port } = await start({}, [{ provide: APP_INTERCEPTOR, useClass }]);
    for (let turn = 0; turn < 2; turn++) {
      expect((await get(port, '/health')).json).toMatchObject({ status: 'ok', details: expect.any(Object) });
      const metrics = await get(port, '/metrics');
      expect([metrics.headers['content-type'], metrics.text]).toEqual([
        expect.stringMatching(/^text\/plain/),
        expect.stringContaining('\nws_connections 0\n'),
      ]);
      expect((await get(port, '/admin/connections', OPERATOR)).json).toMatchObject({ items: [], total: 0 });
      const missing = await get(port, '/admin/closed/nobody', OPERATOR);
      expect([missing.status, missing.json.type]).toEqual([404, type('not-found')]);
      expect(missing.headers['content-type']).toMatch(PROBLEM);
      const bad = await get(port, '/admin/connections?limit=x', OPERATOR);
      expect([bad.status, bad.json.errors]).toEqual([400, [{ pointer: '/limit', detail: expect.any(String) }]]);
    }
  });

  it('read what a global pipe has converted', async () => {
    const { port } = await start({}, [{ provide: APP_PIPE, useClass: Converting }]);
    expect((await get(port, '/admin/connections?limit=7&user=12', OPERATOR)).status).toBe(200);
    expect((await get(port, '/admin/connections?limit=0', OPERATOR)).json.type).toBe(type('bad-query'));
  });

  it('answer their own errors where a global filter catches everything', async () => {
    const { port } = await start({}, [{ provide: APP_FILTER, useClass: Everything }], app =>
      app.useGlobalFilters(new Everything(app.get(HttpAdapterHost))),
    );
    expect((await get(port, '/admin/connections')).json.type).toBe(type('unauthenticated'));
    expect((await get(port, '/admin/closed/x', OPERATOR)).json.type).toBe(type('not-found'));
    expect((await get(port, '/admin/nonsense', OPERATOR)).json.type).toBe(type('not-found'));
    expect((await get(port, '/nonsense')).json).toEqual({ own: 'filter' });
  });

  it.each<[string, (app: INestApplication) => unknown, string]>([
    ['a global prefix', app => app.setGlobalPrefix('api'), '/api'],
    ['a global prefix of two parts', app => app.setGlobalPrefix('/api/v7/'), '/api/v7'],
    ['a prefix that leaves them out', app => app.setGlobalPrefix('api', { exclude: ['admin/{*rest}'] }), ''],
    ['versions in the path', app => app.enableVersioning({ type: VersioningType.URI, defaultVersion: '3' }), ''],
    [
      'versions in a header',
      app => app.enableVersioning({ type: VersioningType.HEADER, header: 'x-v', defaultVersion: '3' }),
      '',
    ],
  ])('answer under %s', async (__, configure, base) => {
    const { port } = await start({}, [], configure);
    const at = (path: string) => `${base}/admin/${path}`;
    expect((await get(port, at('connections'), OPERATOR)).status).toBe(200);
    const body = '{"kind":';
    for (const [headers, status] of [
      [json, 401],
      [{ ...json, ...OPERATOR }, 400],
    ] as const) {
      const answer = await ask({ port, path: at('bans'), method: 'POST', headers, body });
      expect([answer.status, answer.json.status]).toEqual([status, status]);
    }
    const wrongMethod = await ask({ port, path: at('connections'), method: 'PUT', headers: OPERATOR });
    expect([wrongMethod.status, wrongMethod.json.type]).toEqual([405, type('method-not-allowed')]);
  });

  it('leave the routes of the application as they are', async () => {
    const controllers = [OwnAdminController, OwnController];
    const { port } = await AdminApp.start(platform, { admin }, undefined, { controllers });
    expect((await get(port, '/admin/users')).json).toEqual(['alice']);
    for (const path of ['/admin/users', '/own']) {
      const good = await ask({ port, path, method: 'POST', headers: json, body: '{"name":"bob"}' });
      expect([good.status, good.json]).toEqual([201, { name: 'bob' }]);
      const bad = await ask({ port, path, method: 'POST', headers: json, body: '{"name":' });
      expect([bad.status, bad.json.type]).toEqual([400, undefined]);
      expect(bad.headers['content-type']).not.toMatch(PROBLEM);
      expect((await ask({ port, path, method: 'PUT' })).headers['content-type']).not.toMatch(PROBLEM);
    }
    expect((await get(port, '/admin/nonsense')).headers['content-type']).not.toMatch(PROBLEM);
    expect((await ask({ port, path: '/admin/bans', method: 'PUT' })).json.type).toBe(type('method-not-allowed'));
  });
});

describe.each(PLATFORMS)('the routes of the library alone on %s', (_, platform: Platform) => {
  let plain: number;
  beforeAll(async () => void ({ port: plain } = await AdminApp.start(platform, { admin })));
  afterAll(() => AdminApp.closeAll());

  describe('answer as problem details', () => {
    const send = (port: number, more: object) =>
      ask({ port, path: '/admin/bans', method: 'POST', headers: { ...json, ...OPERATOR }, ...more });

    it.each<[string, object, number, string]>([
      ['malformed JSON', { body: '{"kind": ' }, 400, 'bad-body'],
      ['JSON that is no object', { body: '"text"' }, 400, 'bad-body'],
      ['bytes that are no UTF-8', { body: '{"kind":"\u00ff"}', latin1: true }, 400, 'bad-body'],
      ['no body', {}, 400, 'bad-body'],
      ['100 KiB and more', { body: `"${'x'.repeat(102_400)}"` }, 413, 'content-too-large'],
      [
        'another media type',
        { body: 'kind=user', headers: { ...OPERATOR, 'content-type': 'application/x-www-form-urlencoded' } },
        415,
        'unsupported-media-type',
      ],
      ['no media type', { body: '{}', headers: OPERATOR }, 415, 'unsupported-media-type'],
      [
        'a compressed body',
        { body: 'x', headers: { ...OPERATOR, ...json, 'content-encoding': 'gzip' } },
        415,
        'unsupported-media-type',
      ],
      ['a wrong method', { method: 'PATCH', body: undefined }, 405, 'method-not-allowed'],
      ['an unknown route', { path: '/admin/nonsense', method: 'GET' }, 404, 'not-found'],
      ['a route below a route', { path: '/admin/bans/1/2', method: 'GET' }, 404, 'not-found'],
      ['the admin path itself', { path: '/admin', method: 'GET' }, 404, 'not-found'],
      ['an id that cannot be decoded', { path: '/admin/closed/%ff', method: 'GET' }, 404, 'not-found'],
      ['an unknown path that cannot be decoded', { path: '/admin/x/%f', method: 'GET' }, 404, 'not-found'],
      ['a wrong method with malformed JSON', { method: 'PUT', body: '{' }, 405, 'method-not-allowed'],
    ])('%s', async (what, question, status, name) => {
      const { latin1 = false, ...more } = question as { latin1?: boolean; body?: string };
      const body = latin1 ? (Buffer.from(more.body!, 'latin1') as unknown as string) : more.body;
      const answer = await send(plain, { ...more, ...(body !== undefined && { body }) });
      expect([what, answer.status, answer.json]).toEqual([
        what,
        status,
        expect.objectContaining({ status, type: type(name) }),
      ]);
      expect(answer.headers['content-type']).toMatch(PROBLEM);
      expect(answer.headers['allow']).toBe(status === 405 ? 'GET, HEAD, POST' : undefined);
    });

    it.each<[string, string, Record<string, string>]>([
      ['malformed', '{"kind": ', json],
      ['too large', `"${'x'.repeat(300_000)}"`, json],
      ['of another type', 'a=b', { 'content-type': 'text/csv' }],
      ['compressed and broken', 'x', { ...json, 'content-encoding': 'gzip' }],
    ])('401 before any problem of a body that is %s', async (__, body, headers) => {
      const answer = await ask({ port: plain, path: '/admin/bans', method: 'POST', headers, body });
      expect([answer.status, answer.json.type]).toEqual([401, type('unauthenticated')]);
      const viewer = { ...headers, authorization: 'Bearer see' };
      expect((await ask({ port: plain, path: '/admin/bans', method: 'POST', headers: viewer, body })).status).toBe(403);
    });
  });

  it.each([
    '/admin/closed/',
    '/ADMIN/closed',
    '/admin/Closed',
    '//admin/closed',
    '/admin//closed',
    '/admin/./closed',
    '/admin/x/../closed',
    '/%61dmin/closed',
    '/admin/clo%73ed',
    '/admin%2fclosed',
    '/admin/closed;x=1',
    '/admin/closed/x/',
    '/metrics/',
    '/METRICS',
    '/metric%73',
    '/metrics;v=1',
    '//metrics',
    '/health/',
    '/Health/Live',
    '/health/live/',
  ])('are not at %s', async path => {
    expect((await get(plain, path, OPERATOR)).status).toBe(404);
  });

  it('are at their own paths, with a query and in absolute form', async () => {
    for (const path of ['/admin/closed?limit=1', '/metrics?x=1', '/health/live?', `http://a:${plain}/admin/closed`]) {
      expect([path, (await get(plain, path, OPERATOR)).status]).toEqual([path, 200]);
    }
  });
});
