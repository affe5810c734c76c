import { createHook } from 'node:async_hooks';
import { relative } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';
import { fileURLToPath } from 'node:url';
import { until } from './until.js';

/** Resources that can keep a process alive, or its memory, by the names of Node's async hooks. */
const WATCHED = new Set([
  'Timeout',
  'TCPWRAP',
  'TCPSERVERWRAP',
  'PIPEWRAP',
  'PIPESERVERWRAP',
  'UDPWRAP',
  'PROCESSWRAP',
  'FSEVENTWRAP',
  'STATWATCHER',
  'WORKER',
  'MESSAGEPORT',
]);
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGUSR2', 'SIGHUP'] as const;
const EVENTS = ['uncaughtException', 'unhandledRejection', 'beforeExit', 'exit'] as const;

/** Time between two removals of those that have ended: until then the stack of each keeps the objects of its frames. */
const KEPT_MS = 100;

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** A timer, or a handle of libuv. */
interface Handle {
  /** Undefined after the end of a handle. */
  hasRef?(): boolean | undefined;
  /** Of a timer. */
  readonly _destroyed?: boolean;
}

/** What Node reports instead of the handle of a kept connection when the next request takes it. */
interface ReusedHandle {
  readonly handle: Handle;
}

interface Resource {
  readonly type: string;
  /** Node holds it while it is alive. What has ended is not kept by this file. */
  readonly handle: WeakRef<Handle>;
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
 * `process.getActiveResourcesInfo()` would be shorter, but jest's own timers come and go in its counts and hide ours. A hook for `destroy`
 * would have Node track each promise until its collection, which took a tenth of the CPU of these tests.
 */
export function watchLeaks(): (timeoutMs?: number) => Promise<void> {
  const listenersBefore = countListeners();
  let open: Resource[] = [];
  let forgotAt = performance.now();
  const forgetEnded = () => {
    open = open.filter(({ handle }) => isAlive(handle.deref()));
  };
  const hook = createHook({
    init(_id, type, _triggerId, resource: Handle | ReusedHandle) {
      if (!WATCHED.has(type)) return;
      const handle = 'handle' in resource ? resource.handle : resource;
      open.push({ type, handle: new WeakRef(handle), created: new Error(type) });
      // Later: Node crashes when a handle is read before its constructor has ended.
      if (performance.now() < forgotAt + KEPT_MS) return;
      forgotAt = performance.now();
      setImmediate(forgetEnded);
    },
  }).enable();
  const left = (): string[] => [
    ...open.flatMap(describeLeak),
    ...Object.entries(countListeners())
      .filter(([name, count]) => count > (listenersBefore[name] ?? 0))
      .map(([name]) => `a listener of ${name}`),
  ];
  return async (timeoutMs = 3000) => {
    await until(() => left().length === 0, { timeoutMs, message: () => `these to go: ${left().join(', ')}` });
    hook.disable();
  };
}

/** Whether a resource has not ended. */
function isAlive(handle: Handle | undefined): handle is Handle {
  if (handle === undefined) return false;
  const { _destroyed: isOver } = handle;
  if (isOver !== undefined) return !isOver;
  return handle.hasRef === undefined || handle.hasRef() !== undefined;
}

/** Whether it keeps the event loop alive. */
function hasRef(handle: Handle): boolean {
  return handle.hasRef === undefined || handle.hasRef() === true;
}

/** The description of a resource, none when it has ended or does not belong to the test. */
function describeLeak({ type, handle: reference, created }: Resource): string[] {
  const handle = reference.deref();
  if (!isAlive(handle)) return [];
  const line = creator(created);
  // jest's timers, and those of the wait for the others to go.
  if (/node_modules\/@?jest|support\/assert\/until\./.test(line)) return [];
  const ours = /^(libs|apps)\//.test(line);
  return ours || hasRef(handle) ? [`${type} made at ${line}`] : [];
}

/** The first line of a stack that is neither node's own nor this file's, relative to the repository. */
function creator({ stack = '' }: Error): string {
  const lines = stack.split('\n').slice(1);
  const line = lines.find(text => !/node:|<anonymous>|support\/assert\/leaks\.ts/.test(text)) ?? 'a place inside node';
  const place = /(?:file:\/\/)?(\/[^()]+)\)?$/.exec(line)?.[1];
  return place === undefined ? line.trim() : relative(ROOT, place);
}

function countListeners(): Record<string, number> {
  return Object.fromEntries([...SIGNALS, ...EVENTS].map(name => [name, process.listenerCount(name)]));
}
