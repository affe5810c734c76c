/** Values that fail an application, and whether it still serves its clients. */
import type { Type } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WsException } from '@nestjs/websockets';
import { TestApp } from '../support/servers/app.js';
import type { RawClient } from '../support/clients/raw-client.js';
import { until } from '../support/assert/until.js';

/** A value that cannot even be printed. */
const UNPRINTABLE = {
  get message(): string {
    throw new Error('a message that throws');
  },
  get stack(): string {
    throw new Error('a stack that throws');
  },
  toString(): string {
    throw new Error('a text that throws');
  },
};

/** Values that application code may throw. */
export const THROWN: Readonly<Record<string, unknown>> = {
  'an error': new Error('thrown by the test'),
  'a WsException': new WsException('refused by the test'),
  'a text': 'a text',
  'a number': 42,
  null: null,
  undefined: undefined,
  'a symbol': Symbol('thrown'),
  'an object without a prototype': Object.create(null),
  'an error without a stack': Object.assign(new Error('bare'), { stack: undefined }),
  'what cannot be printed': UNPRINTABLE,
  'a rejected promise': Promise.reject(new Error('thrown inside')),
};
(THROWN['a rejected promise'] as Promise<never>).catch(() => {});

export const KINDS = Object.keys(THROWN);

export async function start(...gateways: Type<unknown>[]): Promise<TestApp> {
  return TestApp.start({ gateways });
}

/** Whether this client's messages are still handled: true, or there was no echo in time. */
export async function served(client: RawClient): Promise<boolean> {
  const before = client.json.filter(isEcho).length;
  client.sendEvent('echo', before);
  return until(() => client.json.filter(isEcho).length > before, { message: 'the echo' });
}

function isEcho(message: unknown): boolean {
  return (message as { event?: string }).event === 'echo';
}

/** The messages of a client that are no echoes, as `event: message`. */
export function complaints(client: RawClient): string[] {
  return client.json
    .filter(message => !isEcho(message))
    .map(message => {
      const { event, data } = message as { event: string; data: { message: string } };
      return `${event}: ${data.message}`;
    });
}

export class Echo {
  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown) {
    return { event: 'echo', data };
  }
}
