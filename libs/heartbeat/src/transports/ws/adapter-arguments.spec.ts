import { describe, expect, it } from '@jest/globals';

import { assertNoNamespace } from './adapter-arguments.js';

describe('assertNoNamespace', () => {
  it('refuses the namespace of a gateway, with what to do instead', () => {
    expect(() => assertNoNamespace('chat')).toThrow(
      expect.objectContaining({
        name: 'HeartbeatError',
        code: 'HEARTBEAT_BAD_OPTIONS',
        message: 'HeartbeatWsAdapter has no namespaces: give the gateway a path of its own',
        problems: [expect.objectContaining({ key: 'namespace', value: 'chat' })],
      }),
    );
  });

  it('admits a gateway without one', () => {
    expect(() => assertNoNamespace(undefined)).not.toThrow();
  });
});
