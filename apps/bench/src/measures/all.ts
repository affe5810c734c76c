import { accept } from './accept.js';
import { adminList } from './admin-list.js';
import { bookkeeping } from './bookkeeping.js';
import { broadcast } from './broadcast.js';
import { busyHeartbeats } from './busy-heartbeats.js';
import { dashboard } from './dashboard.js';
import { detection } from './detection.js';
import { drain } from './drain.js';
import { heap } from './heap.js';
import { idleHeartbeats } from './idle-heartbeats.js';
import { latency } from './latency.js';
import type { Measure } from './measure.js';
import { rest } from './rest.js';
import { stalls } from './stalls.js';
import { throughput } from './throughput.js';

/** In the order in which those of a stage are taken: `heap` first, since nothing may have been sent, `drain` last. */
export const MEASURES: readonly Measure[] = [
  throughput,
  accept,
  heap,
  idleHeartbeats,
  latency,
  broadcast,
  adminList,
  dashboard,
  stalls,
  detection,
  drain,
  busyHeartbeats,
  rest,
  bookkeeping,
];
