import { describe, expect, it } from '@jest/globals';
import type { HttpAdapterHost } from '@nestjs/core';

import { DrainBeforeHooks } from './drain-before-hooks.js';
import type { DrainService } from './drain.service.js';

/** The adapter's method, and the drain, record their calls. */
function world(adapter: { beforeClose?: (() => unknown) | undefined } | undefined) {
  const done: string[] = [];
  const drain = {
    takeOver: async (reason: string) => {
      done.push(reason);
      await new Promise(resolve => setImmediate(resolve));
      done.push('drained');
    },
  };
  const hooks = new DrainBeforeHooks({ httpAdapter: adapter } as HttpAdapterHost, drain as unknown as DrainService);
  return { done, hooks };
}

const own = () => undefined;
const later = () => undefined;

class Adapter {
  isClosing = false;
  beforeClose?(): unknown {
    return (this.isClosing = true);
  }
}

describe('DrainBeforeHooks', () => {
  it('drains before `beforeClose` resolves, after the own method of the adapter', async () => {
    const adapter = new Adapter();
    const { done, hooks } = world(adapter);
    hooks.onApplicationBootstrap();
    const closed = adapter.beforeClose!();
    expect([adapter.isClosing, done]).toEqual([true, ['the application closes']]);
    await closed;
    expect(done).toEqual(['the application closes', 'drained']);
  });

  it('leaves the adapter as it was', () => {
    const adapters = [new Adapter(), { beforeClose: own }, {}] as const;
    for (const adapter of adapters) {
      const { hooks } = world(adapter);
      hooks.onApplicationBootstrap();
      hooks.onApplicationShutdown();
      hooks.onApplicationShutdown();
    }
    expect(adapters.map(adapter => Object.hasOwn(adapter, 'beforeClose'))).toEqual([false, true, false]);
    expect(adapters[1].beforeClose).toBe(own);
  });

  it('leaves a method that was set after it', () => {
    const adapter = new Adapter();
    const { hooks } = world(adapter);
    hooks.onApplicationBootstrap();
    adapter.beforeClose = later;
    hooks.onApplicationShutdown();
    expect(adapter.beforeClose).toBe(later);
  });

  it('drains also for an adapter without the method, and does nothing without an adapter', async () => {
    const adapter: { beforeClose?: () => unknown } = {};
    const { done, hooks } = world(adapter);
    hooks.onApplicationBootstrap();
    await adapter.beforeClose!();
    expect(done).toHaveLength(2);
    expect(() => world(undefined).hooks.onApplicationBootstrap()).not.toThrow();
  });
});
