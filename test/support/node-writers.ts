import { layerOf, type Sources } from './architecture.js';
import { readFields } from './fields.js';

const LIBRARY = 'libs/heartbeat/src/';
/** The class whose fields the table below is about. */
const NODE_STATE = 'NodeState';

/** The one file that writes each field of the node's state; null for a field that none writes yet. */
export const NODE_WRITERS: Readonly<Record<string, string | null>> = {
  limits: 'limits/limits-in-force.ts',
  bootstrapHookRan: 'heartbeat.module.ts',
  application: 'transports/node-of.ts',
  socketRoom: 'transports/ws/node-sockets.ts',
  draining: 'drain/drain-run.ts',
  admissionClosed: 'drain/drain-run.ts',
  drainWaiting: 'drain/work-waits.ts',
  disposals: 'connection/registry-owner.ts',
  drainDeadlineAt: 'drain/drain-run.ts',
  returnWindowMs: 'drain/drain-run.ts',
  atCapacity: 'connection/capacity.ts',
  load: 'load/load.service.ts',
  loadBySource: 'load/load.service.ts',
  proxyHeaderSeen: 'admission/proxy-notes.ts',
  unixPeerSeen: 'admission/proxy-notes.ts',
  intervalMs: 'liveness/heartbeat.service.ts',
  recentStallMs: 'liveness/heartbeat.service.ts',
  attendedMs: 'liveness/heartbeat.service.ts',
  accountedUntil: 'flow/incomplete-message.service.ts',
  clusterNodes: 'messaging/cluster-membership.ts',
  clusterLost: 'messaging/cluster-membership.ts',
};

/**
 * Fields of the node's state with a second writer, without a row in the table, or with functions; and functions that an upper layer
 * assigns to a field of a lower one, which is an upward import all the same. Objects are recognised by their names: `node`.
 */
export function fieldProblems(sources: Sources, writers = NODE_WRITERS): string[] {
  const files = Object.entries(sources)
    .filter(([path]) => path.startsWith(LIBRARY) && path.endsWith('.ts') && !/(\.|-)spec\.ts$/.test(path))
    .map(([path, source]) => ({ path, ...readFields(path, source) }));
  const ofNode = files.flatMap(({ path, fields }) =>
    fields.filter(({ className }) => className === NODE_STATE).map(field => ({ path, ...field })),
  );
  const mutable = ofNode.filter(({ isReadonly }) => !isReadonly).map(({ name }) => name);
  const written = new Set<string>();
  const problems = ofNode
    .filter(({ isFunction }) => isFunction)
    .map(({ path, name, line }) => `${path}:${line} ${name} holds a function: declare a port, and inject it`);
  const functions = files.flatMap(({ path, fields }) =>
    fields
      .filter(({ className, isFunction, isReadonly }) => isFunction && !isReadonly && className !== NODE_STATE)
      .map(({ name }) => ({ path, name })),
  );
  for (const { path, writes } of files) {
    for (const { object, name, line } of writes) {
      const at = `${path}:${line}`;
      const isOfNode = /(^|[.#])node$/.test(object) && mutable.includes(name);
      if (isOfNode) written.add(name);
      const writer = writers[name];
      if (isOfNode && path !== `${LIBRARY}${writer}`)
        problems.push(`${at} writes ${name} of the node, whose writer is ${writer ?? 'none'}`);
      const above = functions.find(field => field.name === name && object !== 'this' && isBelow(field.path, path));
      if (above) problems.push(`${at} assigns the function ${name} of ${above.path}, a lower layer: declare a port`);
    }
  }
  for (const name of mutable) if (!(name in writers)) problems.push(`${name} of the node has no row in NODE_WRITERS`);
  for (const [name, writer] of Object.entries(writers)) {
    if (!mutable.includes(name)) problems.push(`NODE_WRITERS has a row for ${name}, which the node does not have`);
    else if (writer !== null && !written.has(name)) problems.push(`${name} of the node is never written`);
  }
  return problems;
}

/** Limits that may change at run time: rules read them from `node.limits` at each use, and never from the options. */
const LIVE_LIMITS = new Set([
  'maxConnections',
  'maxPerIp',
  'maxPerUser',
  'upgradesPerSecond',
  'upgradesPerSecondPerIp',
  'messagesPerSecond',
  'refuseAbove',
  'shedAbove',
]);
/** Sources that read options instead: those that define or examine them, and a pure rule that gets the limits as an argument. */
const OF_OPTIONS = ['options/', 'node/live-limits.ts', 'limits/', 'doctor/', 'load/load-ratio.ts'].map(
  path => LIBRARY + path,
);

/** Reads of live limits from anything but their holder. */
export function liveLimitProblems(sources: Sources): string[] {
  return Object.entries(sources).flatMap(([path, source]) => {
    const isChecked = path.startsWith(LIBRARY) && !path.endsWith('.spec.ts');
    if (!isChecked || OF_OPTIONS.some(place => path.startsWith(place))) return [];
    return readFields(path, source)
      .reads.filter(({ object, name }) => LIVE_LIMITS.has(name) && !/(^|[.#])node\.limits$/.test(object))
      .map(({ name, line }) => `${path}:${line} reads ${name} from the options: it may change, read node.limits`);
  });
}

function isBelow(path: string, other: string): boolean {
  const [one, two] = [layerOf(path), layerOf(other)];
  return one !== null && two !== null && one.rank < two.rank;
}
