export type { Ban, BanKind } from './admission/ban-index.js';
export { BanList, type BanRequest } from './admission/ban-list.js';
export { type Clock } from './base/clock.js';
export { type CloseCode, CloseCodes, type ClosedBy, type ComeBack } from './protocol/close-code.js';
export {
  type BulkKick,
  type ClusterKick,
  type ClusterPage,
  type ClusterPosition,
  type ClusterQuery,
  type KickOutcome,
} from './cluster/cluster-answers.js';
export type { NodeAnswer } from './messaging/node-answers.js';
export type { ClusterNode } from './messaging/cluster-node.js';
export { type ClusterOptions, type RedisClientSource } from './options/cluster.options.js';
export { ClusterService } from './cluster/cluster.service.js';
export {
  type ClosedView,
  type ConnectionDetail,
  type ConnectionState,
  type ConnectionView,
  type FlightEntry,
} from './connection/listing/connection-view.js';
export {
  type BulkKickOptions,
  type KickCounts,
  type KickJob,
  type KickJobNode,
  type KickPlan,
  type KickSelection,
  type KickStart,
} from './kicks/kick.types.js';
export { KickService } from './kicks/kick.service.js';
export { type ConnectionFilter } from './connection/listing/connection-filter.js';
export {
  type ConnectionPage,
  type ConnectionQuery,
  type Position,
  type SortKey,
} from './connection/listing/connection-query.js';
export { type SortOrder } from './connection/listing/sort-order.js';
export { type Authentication, type Identity } from './base/identity.js';
export { type BusyLease, type BusyLimits } from './connection/busy-lease.js';
export { type PathParams } from './base/path-params.js';
export { Connection } from './connection/public-connection.js';
export { type Kick } from './connection/connection.types.js';
export { type TransportName } from './connection/transport.js';
export { ConnectionService } from './connection/connection.service.js';
export { ConnectionTracker } from './transports/ws/connection-tracker.js';
export { type TrackOptions } from './transports/ws/tracker-arguments.js';
export { TrackedSocket } from './transports/ws/tracked-socket.js';
export { identifyAdmin } from './http/admin-actor.js';
export { type HeapSnapshot, HeapSnapshotService } from './diagnosis/heap-snapshot.service.js';
export { type SnapshotRefusal } from './diagnosis/snapshot-rules.js';
export { type DrainResult } from './drain/drain.types.js';
export { DrainService } from './drain/drain.service.js';
export { type DrainRequest } from './drain/drain-request.js';
export { type DrainPlan, type DrainState } from './drain/drain-status.js';
export { CurrentConnection } from './transports/current-connection.decorator.js';
export { HandshakeGuards } from './transports/ws/handshake-guards.decorator.js';
export { HeartbeatWsAdapter } from './transports/ws/heartbeat-ws.adapter.js';
export { type GatewayServerOptions, type PathServer } from './transports/ws/path-server.js';
export { type VerifyClient } from './transports/ws/verify-client.js';
export { type Message, type MessageParser } from './transports/ws/message-dispatcher.js';
export { type BackpressureOptions } from './options/backpressure.options.js';
export {
  type Authenticate,
  type GuardOptions,
  type HandshakeMiddleware,
  type IdentityFromRequest,
} from './options/guard.options.js';
export { type LimitOptions } from './options/limits.options.js';
export { type LoadOptions, type LoadSources } from './options/load.options.js';
export { type TcpOptions } from './options/tcp.options.js';
export { type LoadLevel, type LoadSource } from './node/load-state.js';
export { type NotReadyReason } from './connection/readiness.js';
export { HeartbeatHealthIndicator } from './health/heartbeat.health.js';
export { HEARTBEAT_CLOCK } from './base/heartbeat.tokens.js';
export { HeartbeatError, type HeartbeatErrorCode, type Problem } from './base/heartbeat.error.js';
export {
  type BanNotice,
  type ChangedLimits,
  type DriftKind,
  type EventPayload,
  type EventStamp,
  type HeartbeatEvent,
  type HeartbeatEventOf,
  HeartbeatEvents,
  type MessageRefusal,
  type ReapReason,
  type RefusalReason,
} from './connection/heartbeat.events.js';
export { type HeartbeatExtras } from './heartbeat.module-definition.js';
export { HeartbeatModule } from './heartbeat.module.js';
export { type AdminOptions, type AdminRole, type AdminToken } from './options/admin.options.js';
export { type DrainOptions } from './options/drain.options.js';
export { type HeartbeatRoutes } from './options/extras.js';
export { type HealthOptions } from './options/health.options.js';
export { type HeartbeatOptions } from './options/heartbeat.options.js';
export { type LivenessOptions } from './options/liveness.options.js';
export { type MetricsOptions } from './options/metrics.options.js';
export { type ReaperOptions } from './options/reaper.options.js';
export { VERSION } from './base/version.js';
export { AdminPort } from './http/admin-port.js';
export { type AdminPortOptions } from './http/http-settings.js';
export { type RouteDecorator } from './http/own-routes.js';
export { HeartbeatService } from './liveness/heartbeat.service.js';
export { REAPER_JOB } from './liveness/reaper.service.js';
export { type LimitChange, type LimitChangeOptions } from './limits/limit-change.js';
export { type LimitChangeResult, type LimitedNode, LimitService } from './limits/limit.service.js';
export { type LimitKey, type LiveLimits } from './node/live-limits.js';
export { LoadService } from './load/load.service.js';
export {
  type Leader,
  type LeaderGroup,
  type Leaders,
  type LeadersQuery,
  type LeaderValue,
} from './stats/leaders.types.js';
export { StatsService } from './stats/stats.service.js';
export { type Stats, type StatsQuery, type StatsTotals } from './stats/stats.types.js';
