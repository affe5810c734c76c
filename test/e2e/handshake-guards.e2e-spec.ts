/** Real guards at the handshake, on Express and Fastify: JWT, Passport, cookies, and what a guard may do with an upgrade. */
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Inject,
  Injectable,
  UnauthorizedException,
  UseGuards,
} from '@nestjs/common';
import { APP_GUARD, REQUEST } from '@nestjs/core';
import { JwtModule, JwtService } from '@nestjs/jwt';
import { AuthGuard, PassportModule, PassportStrategy } from '@nestjs/passport';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import cookieParser from 'cookie-parser';
import { Connection, CurrentConnection, HandshakeGuards, type PathParams } from 'nestjs-heartbeat';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { PLATFORMS, SharedPort, upgradeHead } from '../support/servers/shared-port.js';
import { until } from '../support/assert/until.js';

const SECRET = 'a secret of the test';
const jwt = JwtModule.register({ secret: SECRET });

interface User {
  readonly sub: string;
}
type Guarded = IncomingMessage & {
  user?: User;
  cookies?: Record<string, string>;
  params: PathParams;
};

/** As Nest's documentation has it, for HTTP. */
@Injectable()
class JwtGuard implements CanActivate {
  constructor(private readonly jwtService: JwtService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Guarded>();
    const response = context.switchToHttp().getResponse<ServerResponse>();
    const [, token = request.cookies?.token ?? ''] = request.headers.authorization?.split(' ') ?? [];
    response.setHeader('Set-Cookie', ['seen=1', 'by=guard']);
    response.setHeader('X-Name', 'José');
    try {
      request.user = await this.jwtService.verifyAsync<User>(token);
    } catch {
      response.setHeader('WWW-Authenticate', 'Bearer error="invalid_token"');
      throw new UnauthorizedException('The token is not valid.');
    }
    return true;
  }
}

@Injectable()
class JwtStrategy extends PassportStrategy(Strategy) {
  constructor() {
    super({
      jwtFromRequest: ExtractJwt.fromExtractors([
        ExtractJwt.fromAuthHeaderAsBearerToken(),
        ExtractJwt.fromUrlQueryParameter('token'),
      ]),
      secretOrKey: SECRET,
    });
  }

  validate(payload: User): User {
    return payload;
  }
}

let calls: string[] = [];

/** Runs for controllers and messages; a handshake is neither. */
@Injectable()
class GlobalGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    calls.push(`global ${context.getType()}`);
    return true;
  }
}

@Injectable()
class MessageGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    calls.push(`message ${context.getType()}`);
    return true;
  }
}

class Gateway {
  @SubscribeMessage('who')
  who(@CurrentConnection() { userId, params }: Connection) {
    return { event: 'who', data: { userId, params } };
  }
}

@HandshakeGuards(JwtGuard)
@WebSocketGateway({ path: '/rooms/:room' })
@UseGuards(MessageGuard)
class JwtGateway extends Gateway {}

@HandshakeGuards(AuthGuard('jwt'))
@WebSocketGateway({ path: '/passport' })
class PassportGateway extends Gateway {}

@WebSocketGateway({ path: '/open' })
class OpenGateway extends Gateway {}

@Controller('plain')
class PlainController {
  @Get()
  read(): string {
    return 'plain';
  }
}

afterEach(() => SharedPort.closeAll());

const identityFromRequest = ({ user }: Guarded) => (user ? { userId: user.sub } : null);
const who = JSON.stringify({ event: 'who' });

describe.each(PLATFORMS)('On %s', platform => {
  const start = () =>
    SharedPort.start({
      platform,
      gateways: [JwtGateway, PassportGateway, OpenGateway],
      controllers: [PlainController],
      imports: [jwt, PassportModule],
      providers: [JwtStrategy, { provide: APP_GUARD, useClass: GlobalGuard }],
      options: { identityFromRequest, handshakeMiddleware: [cookieParser()] },
    });

  it('a JWT guard identifies the client by header and by cookie; its headers join the answer', async () => {
    calls = [];
    const shared = await start();
    const token = shared.app.get(JwtService).sign({ sub: 'ann' });
    const ways: Record<string, string>[] = [{ Authorization: `Bearer ${token}` }, { Cookie: `a=b; token=${token}` }];
    for (const headers of ways) {
      const socket = await shared.socket();
      let answer = '';
      socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
      socket.write(upgradeHead('/rooms/caf%C3%A9', headers));
      await until(() => answer.includes('\r\n\r\n'));
      expect(answer).toMatch(/^HTTP\/1\.1 101 /);
      expect(answer.match(/^set-cookie: .*$/gim)).toEqual(['set-cookie: seen=1', 'set-cookie: by=guard']);
      // In Latin-1, as Node writes it; the messages that follow are UTF-8.
      expect(answer).toContain('\r\nx-name: José\r\n');
      // {"event":"who"} in one masked frame with a mask of zeros.
      socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | who.length, 0, 0, 0, 0]), Buffer.from(who)]));
      await until(() => answer.includes('"userId"'));
      expect(Buffer.from(answer, 'latin1').toString()).toContain('{"userId":"ann","params":{"room":"café"}}');
    }
    expect(calls).toEqual(Array.from({ length: 4 }, (_, index) => (index % 2 === 0 ? 'global ws' : 'message ws')));
  });

  it('refuses without a token by the status and the headers of the guard, as problem details', async () => {
    const shared = await start();
    const answer = await shared.exchange(upgradeHead('/rooms/1?token=S3cret'));
    expect(answer).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\n/);
    expect(answer).toContain('www-authenticate: Bearer error="invalid_token"');
    expect(answer.match(/^content-type: /gim)).toHaveLength(1);
    expect(JSON.parse(answer.split('\r\n\r\n')[1]!)).toEqual({
      type: 'urn:nestjs-heartbeat:problem:guard-refused',
      title: 'Unauthorized',
      status: 401,
      detail: 'The token is not valid.',
    });
  });

  it('a guard of passport-jwt works, and a gateway without guards stays open', async () => {
    const shared = await start();
    const token = shared.app.get(JwtService).sign({ sub: 'bob' });
    expect(await shared.echo(`/passport?token=${token}`, who)).toBe(
      '{"event":"who","data":{"userId":"bob","params":{}}}',
    );
    expect(await shared.webSocket('/passport')).toBe(401);
    expect(await shared.webSocket('/passport?token=wrong')).toBe(401);
    expect(await shared.echo('/open', who)).toBe('{"event":"who","data":{"userId":null,"params":{}}}');
    expect(await shared.exchange('GET /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).toMatch(/plain$/);
  });
});

describe('A request-scoped guard', () => {
  @Injectable()
  class ScopedGuard implements CanActivate {
    constructor(@Inject(REQUEST) private readonly request: Guarded) {}

    canActivate(context: ExecutionContext): boolean {
      const request = context.switchToHttp().getRequest<Guarded>();
      request.user = { sub: String(this.request === request && this.request.params.room) };
      return true;
    }
  }

  @HandshakeGuards(ScopedGuard)
  @WebSocketGateway({ path: '/scoped/:room' })
  class ScopedGateway extends Gateway {}

  it('is created for each handshake, with its request', async () => {
    const shared = await SharedPort.start({ gateways: [ScopedGateway], options: { identityFromRequest } });
    const answers = await Promise.all(['a', 'b', 'c'].map(room => shared.echo(`/scoped/${room}`, who)));
    expect(answers.map(answer => (JSON.parse(answer) as { data: { userId: string } }).data.userId)).toEqual([
      'a',
      'b',
      'c',
    ]);
  });
});
