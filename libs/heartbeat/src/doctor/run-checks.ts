import type { Check, NodeFacts } from './node-facts.js';
import { adminExposure, anonymousClients, hostNames } from './exposure-checks.js';
import { byGravity, type Finding } from './finding.js';
import { drainDeadline } from './grace-checks.js';
import { bufferedMemory, heapForConnections, heapLimit } from './memory-checks.js';
import {
  conntrackTable,
  conntrackTimeout,
  ephemeralPorts,
  listenBacklog,
  openFiles,
  tcpKeepAlive,
} from './network-checks.js';
import { adminTokens, pingsAsLife, proxyHeader, proxyIdle, wsVersion } from './option-checks.js';
import { refuseWith, unixSocket } from './proxy-checks.js';

const CHECKS: readonly Check[] = [
  openFiles,
  heapLimit,
  heapForConnections,
  bufferedMemory,
  wsVersion,
  proxyIdle,
  pingsAsLife,
  proxyHeader,
  unixSocket,
  refuseWith,
  drainDeadline,
  adminTokens,
  anonymousClients,
  hostNames,
  adminExposure,
  conntrackTimeout,
  conntrackTable,
  ephemeralPorts,
  listenBacklog,
  tcpKeepAlive,
];

/** All findings about a node's configuration and operating system, the most severe first. Never throws. */
export function runChecks(facts: NodeFacts): Finding[] {
  return byGravity(CHECKS.map(check => check(facts)));
}
