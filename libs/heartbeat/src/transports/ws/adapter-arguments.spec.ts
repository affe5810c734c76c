import { describe, expect, it } from '@jest/globals';

import { assertNoNamespace } from './adapter-arguments.js';

describe('assertNoNamespace', () => {
  it('rejects the namespace of a gateway, with the remedy', () => {
    expect(() => assertNoNamespace('chat')).toThrow(
      expect.objectContaining({
        name: 'HeartbeatError',
        code: 'HEARTBEAT_BAD_OPTIONS',
        message: 'HeartbeatWsAdapter has no namespaces: give the gateway a path of its own',
        problems: [expect.objectContaining({ key: 'namespace', value: 'chat' })],
      }),
    );
  });

  it('accepts a gateway without one', () => {
    expect(() => assertNoNamespace(undefined)).not.toThrow();
  });
});
