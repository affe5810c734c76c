export { type CloseCode, CloseCodes, type ClosedBy, type ComeBack } from './close-code.js';
export { type Clock } from './clock.js';
export {
  type ClosedView,
  type ConnectionDetail,
  type ConnectionState,
  type ConnectionView,
  type FlightEntry,
} from './connection-view.js';
export {
  type ConnectionFilter,
  type ConnectionQuery,
  type SortKey,
  type SortOrder,
} from './connection/connection-query.js';
export { type Identity } from './connection/connection-words.js';
export { Connection } from './connection/connection.js';
export { type ConnectionPage, ConnectionService, type Kick } from './connection/connection.service.js';
export { TrackedSocket } from './connection/tracked-socket.js';
export { type DrainResult, DrainService } from './drain/drain.service.js';
export { CurrentConnection } from './gateway/current-connection.decorator.js';
export { HeartbeatWsAdapter } from './gateway/heartbeat-ws.adapter.js';
export { type Message, type MessageParser } from './gateway/message-dispatcher.js';
export { HeartbeatHealthIndicator, type NotReadyReason } from './health/heartbeat.health.js';
export { HeartbeatError, type HeartbeatErrorCode, type Problem } from './heartbeat.error.js';
export {
  type DriftKind,
  type HeartbeatEvent,
  HeartbeatEvents,
  type ReapReason,
  type RefusalReason,
} from './heartbeat.events.js';
export { type HeartbeatExtras } from './heartbeat.module-definition.js';
export { HeartbeatModule } from './heartbeat.module.js';
export {
  type AdminOptions,
  type AdminRole,
  type AdminToken,
  type ClusterOptions,
  type DrainOptions,
  type HealthOptions,
  type HeartbeatOptions,
  type HeartbeatRoutes,
  type LimitOptions,
  type LivenessOptions,
  type ReaperOptions,
  type ResolvedOptions,
} from './heartbeat.options.js';
export { HEARTBEAT_CLOCK, HEARTBEAT_OPTIONS } from './heartbeat.tokens.js';
export { HeartbeatService } from './liveness/heartbeat.service.js';
export { REAPER_JOB, ReaperService } from './liveness/reaper.service.js';
export { DEFAULT_ROUTES, DEFAULTS, resolveOptions } from './resolve-options.js';
