/**
 * The entry `nestjs-heartbeat/tooling`: for programs around an application, such as the reference server, that check a configuration
 * before the start or describe the HTTP API. An application needs none of it.
 */
export { VERSION } from './base/version.js';
export {
  HEARTBEAT_CLOCK,
  HEARTBEAT_OPTION_VARIABLES,
  HEARTBEAT_OPTIONS,
  HEARTBEAT_RANDOM,
} from './base/heartbeat.tokens.js';
export { type Clock } from './base/clock.js';
export { configAnswer } from './admin/config.service.js';
export { type ReadFile } from './base/system-file.js';
export { closedView, connectionDetail, connectionView } from './connection/listing/connection-view.js';
export { auditEntry } from './http/audit-view.js';
export { heapSnapshot } from './diagnosis/heap-snapshot.service.js';
export { type Finding, findingSchema, type Severity } from './doctor/finding.js';
export { type NodeFacts } from './doctor/node-facts.js';
export { runChecks } from './doctor/run-checks.js';
export { type SystemReader, thisSystem } from './doctor/system-reader.js';
export { drainPlan } from './drain/drain-status.js';
export { clusterNode } from './messaging/cluster-node.js';
export { DEFAULT_ROUTES } from './options/extras.js';
export { DEFAULTS, type ResolvedOptions } from './options/heartbeat.options.js';
export { resolveOptions } from './options/resolve-options.js';
