import { createHook } from 'node:async_hooks';
import { relative } from 'node:path';
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

/** The number of resources at which those that have ended are first removed. */
const MAX_KEPT = 500;

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** A timer, or a handle of libuv. */
interface Handle {
  /** Undefined after the end of a handle. */
  hasRef?(): boolean | undefined;
  /** Of a socket or server: negative after its end. */
  readonly fd?: number;
  /** Of a timer. */
  readonly _destroyed?: boolean;
}

interface Resource {
  readonly type: string;
  readonly handle: Handle;
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
  let most = MAX_KEPT;
  const forgetEnded = () => {
    open = open.filter(({ handle }) => isAlive(handle));
    most = Math.max(MAX_KEPT, 2 * open.length);
  };
  const hook = createHook({
    init(_id, type, _triggerId, handle: Handle) {
      if (!WATCHED.has(type)) return;
      open.push({ type, handle, created: new Error(type) });
      // Later: Node crashes when a handle is read before its constructor has ended.
      if (open.length === most) setImmediate(forgetEnded);
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

/** Whether a resource has not ended. A handle without a descriptor that is `unref`ed counts as ended. */
function isAlive(handle: Handle): boolean {
  const { _destroyed: isOver } = handle;
  if (isOver !== undefined) return !isOver;
  return hasRef(handle) || (handle.fd ?? -1) >= 0;
}

/** Whether it keeps the event loop alive. */
function hasRef(handle: Handle): boolean {
  return handle.hasRef === undefined || handle.hasRef() === true;
}

/** The description of a resource, none when it has ended or does not belong to the test. */
function describeLeak({ type, handle, created }: Resource): string[] {
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
