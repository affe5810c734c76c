import { describe, expect, it } from '@jest/globals';

import { transformSync } from '@swc/core';
import ts from 'typescript';

import { transportOf } from '../../../../test/support/servers/fake-transport.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import { NodeState } from '../node/node-state.js';
import { resolveOptions } from '../options/resolve-options.js';
import { Connection } from './public-connection.js';

/** A gateway as recipes have it: the type of the parameter is imported as a value. */
const GATEWAY = `
import { Connection, CurrentConnection } from 'nestjs-heartbeat';
export class Gateway {
  @Message()
  handle(@CurrentConnection() connection: Connection) {}
}
declare function Message(): MethodDecorator;
`;

const compilers: [string, (source: string) => string][] = [
  [
    'TypeScript',
    source =>
      ts.transpileModule(source, {
        compilerOptions: {
          module: ts.ModuleKind.ES2022,
          target: ts.ScriptTarget.ES2022,
          experimentalDecorators: true,
          emitDecoratorMetadata: true,
        },
      }).outputText,
  ],
  [
    'swc',
    source =>
      transformSync(source, {
        swcrc: false,
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: 'es6' },
      }).code,
  ],
];

describe('the public Connection', () => {
  it('is the class of every connection, for instanceof', () => {
    const { connections } = wireNode(new NodeState(resolveOptions(), { now: () => 0, wallTime: () => new Date(0) }));
    const opening = { transport: transportOf(), path: '/ws', ip: '10.0.0.1', userAgent: null, identity: null };
    const connection: unknown = connections.open(opening);
    expect([connection instanceof Connection, {} instanceof Connection]).toEqual([true, false]);
  });

  it.each(compilers)('is there at run time for the metadata that %s emits', (_what, compile) => {
    const code = compile(GATEWAY);
    expect(code).toMatch(/import \{ Connection, CurrentConnection \} from ['"]nestjs-heartbeat['"]/);
    expect(code).toMatch(/design:paramtypes/);
    expect(typeof Connection).toBe('function');
  });
});
