import { createHook } from 'node:async_hooks';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './until.js';

/** Resources that can keep a process alive, or its memory, by the names of Node's async hooks. */
const WATCHED = new Set([
  'Timeout',
  'TCPWRAP',
  'TCPSERVERWRAP',
  'PIPEWRAP',
  'PIPESERVERWRAP',
  'TLSWRAP',
  'UDPWRAP',
  'PROCESSWRAP',
  'FSEVENTWRAP',
  'STATWATCHER',
  'WORKER',
  'MESSAGEPORT',
]);
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGUSR2', 'SIGHUP'] as const;
const EVENTS = ['uncaughtException', 'unhandledRejection', 'beforeExit', 'exit'] as const;

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

interface Resource {
  readonly type: string;
  readonly handle: { hasRef?(): boolean };
  /** Not read before the end: making a stack's text is what costs. */
  readonly created: Error;
}

/**
 * Watches resources that are created from now on. The returned function waits until they have ended: timers, sockets, servers, pipes and
 * child processes that keep the event loop alive, timers of the project's own sources also when they are `unref`ed, and listeners on
 * the process. It throws naming what is left and the line that made it. Call it after `app.close()`:
 * ```ts
 * const assertNothingLeft = watchLeaks();
 * // start an app, use it, close it
 * await assertNothingLeft();
 * ```
 * `process.getActiveResourcesInfo()` would be shorter, but jest's own timers come and go in its counts and hide ours.
 */
export function watchLeaks(): (timeoutMs?: number) => Promise<void> {
  const listenersBefore = countListeners();
  const open = new Map<number, Resource>();
  const hook = createHook({
    init(id, type, _triggerId, handle: Resource['handle']) {
      if (WATCHED.has(type)) open.set(id, { type, handle, created: new Error(type) });
    },
    destroy: id => open.delete(id),
  }).enable();
  const left = (): string[] => [
    ...[...open.values()].flatMap(describeLeak),
    ...Object.entries(countListeners())
      .filter(([name, count]) => count > (listenersBefore[name] ?? 0))
      .map(([name]) => `a listener of ${name}`),
  ];
  return async (timeoutMs = 3000) => {
    await until(() => left().length === 0, { timeoutMs, message: () => `these to go: ${left().join(', ')}` });
    hook.disable();
  };
}

/** The description of a resource, null when it does not belong to the test. */
function describeLeak({ type, handle, created }: Resource): string[] {
  const line = creator(created);
  // jest's timers, and those of the wait for the others to go.
  if (/node_modules\/@?jest|support\/assert\/until\./.test(line)) return [];
  const ours = /^(libs|apps)\//.test(line);
  return ours || (handle.hasRef?.() ?? true) ? [`${type} made at ${line}`] : [];
}

/** The first line of a stack that is neither node's own nor this file's, relative to the repository. */
function creator({ stack = '' }: Error): string {
  const lines = stack.split('\n').slice(1);
  const line = lines.find(text => !/node:|<anonymous>|support\/assert\/leaks\./.test(text)) ?? 'a place inside node';
  const place = /(?:file:\/\/)?(\/[^()]+)\)?$/.exec(line)?.[1];
  return place === undefined ? line.trim() : relative(ROOT, place);
}

function countListeners(): Record<string, number> {
  return Object.fromEntries([...SIGNALS, ...EVENTS].map(name => [name, process.listenerCount(name)]));
}
