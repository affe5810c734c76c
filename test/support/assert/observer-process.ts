/** The process of an `Observer`: one well-behaved client that echoes all the time. It ends with its parent. */
import { once } from 'node:events';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { ObserverReport, ObserverRequest } from './observer.js';
import { RawClient } from '../clients/raw-client.js';

/** The pause between two questions. */
const PACE_MS = 10;
/** The step at which the loop is sampled. */
const STEP_MS = 5;

const [port] = (await once(process, 'message')) as [number];
const client = await RawClient.opened({ port });
const sentAt: number[] = [];
/** The question with which the report begins. */
let first = 0;
const loop = monitorEventLoopDelay({ resolution: STEP_MS });
loop.enable();

setInterval(() => {
  sentAt.push(performance.now());
  if (!client.socket.destroyed) client.sendEvent('echo', sentAt.length);
}, PACE_MS);

function report(): ObserverReport {
  const now = performance.now();
  const { closeFrame, socket } = client;
  // Broadcasts of other clients are ignored.
  const answers = client.messages.filter(({ data }) => String(data).startsWith('{"event":"echo"'));
  // A question that is still unanswered counts as long as it has waited.
  const trips = sentAt
    .map((at, i) => (answers[i]?.at ?? now) - at)
    .slice(first)
    .toSorted((one, other) => one - other);
  const wrong = answers.findIndex(({ data }, i) => data !== `{"event":"echo","data":${i + 1}}`);
  return {
    answers: Math.max(0, answers.length - first),
    p99Ms: trips[Math.floor(0.99 * trips.length)] ?? 0,
    slowestMs: trips.at(-1) ?? 0,
    ownP99Ms: Math.max(0, loop.percentile(99) / 1e6 - STEP_MS),
    complaints: [
      ...(closeFrame === null ? [] : [`was closed with ${closeFrame.code} ${closeFrame.reason}`]),
      ...(socket.destroyed ? ['lost its socket'] : []),
      ...(wrong === -1 ? [] : [`got a wrong answer: ${String(answers[wrong]?.data)}`]),
    ],
  };
}

process.on('message', (request: ObserverRequest) => {
  if (request === 'begin') {
    first = sentAt.length;
    loop.reset();
  }
  process.send?.(report());
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
