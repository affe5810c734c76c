import { describe, expect, it } from '@jest/globals';

import type { Encoder, EngineSession, NamespaceSocket } from './engine-fields.js';
import { SessionNamespaces } from './session-namespaces.js';

interface Written {
  readonly type: number;
  readonly nsp: string;
}

/** The packets that a client receives at the end, given the packets that it has sent, and the namespaces that have admitted it. */
function endOf(received: readonly string[], joined: readonly string[] = []): string[] {
  const namespaces = new SessionNamespaces();
  const written: string[] = [];
  const session = { write: (packet: string) => written.push(packet) } as unknown as EngineSession;
  const encoder = { encode: ({ type, nsp }: Written) => [`${type}${nsp}`] } as unknown as Encoder;
  for (const packet of received) namespaces.received(packet);
  const nsps = new Map<string, unknown>();
  for (const name of joined) {
    const socket = { client: { nsps }, nsp: { name }, disconnect: () => written.push(`disconnect ${name}`) };
    nsps.set(name, socket);
    namespaces.joined(socket as unknown as NamespaceSocket);
  }
  namespaces.end(session, encoder, {}, () => undefined);
  return written;
}

describe('SessionNamespaces', () => {
  it.each<[string, readonly string[], readonly string[], readonly string[]]>([
    ['refuses the default one where none was asked for', [], [], ['4/']],
    ['refuses those that were asked for', ['0', '0/chat,', '0/news,{"token":"a,b"}'], [], ['4/', '4/chat', '4/news']],
    ['reads the default one with credentials', ['0{"token":"/x,"}'], [], ['4/']],
    ['disconnects those that were joined', ['0', '0/chat,'], ['/', '/chat'], ['disconnect /', 'disconnect /chat']],
    ['refuses the pending beside the joined', ['0', '0/chat,'], ['/'], ['4/chat', 'disconnect /']],
    ['ignores other packets', ['2["0/chat,"]', '1/chat,', ''], [], ['4/']],
  ])('%s', (_what, received, joined, expected) => {
    expect(endOf(received, joined)).toEqual(expected);
  });

  it('keeps a limited number of names, and no long ones', () => {
    expect(endOf([`0/${'x'.repeat(300)},`, ...Array.from({ length: 1000 }, (_, at) => `0/${at},`)])).toHaveLength(64);
  });
});
