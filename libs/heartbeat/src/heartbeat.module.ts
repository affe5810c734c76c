import {
  type DynamicModule,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type Type,
} from '@nestjs/common';
import { DiscoveryModule, ModulesContainer } from '@nestjs/core';
import { HealthIndicatorService } from '@nestjs/terminus';

import { ConfigService } from './admin/config.service.js';
import { AdminAudit } from './http/admin-audit.js';
import { AdminRefusals } from './http/admin-refusals.js';
import { ApplicationAudit } from './http/application-audit.js';
import { AuditStore } from './http/audit-store.js';
import { FailureWindow } from './http/failure-window.js';
import { AdmissionService } from './admission/admission.service.js';
import { UserIdentityRule } from './admission/identity-rule.js';
import { BanList } from './admission/ban-list.js';
import { ClientAddresses } from './admission/client-addresses.js';
import { ClusterMembership } from './messaging/cluster-membership.js';
import { ClusterService } from './cluster/cluster.service.js';
import { NodeWatch } from './cluster/node-watch.js';
import { ClosedConnections } from './cluster/closed-connections.js';
import { ClusterKicks } from './cluster/cluster-kicks.js';
import { ClusterLists } from './cluster/cluster-lists.js';
import { Deliveries } from './cluster/deliveries.js';
import { BoundConnections } from './kicks/bound-connections.js';
import { KickRecords } from './kicks/kick-records.js';
import { KickService } from './kicks/kick.service.js';
import { NodeKicks } from './kicks/node-kicks.js';
import { NodeReport } from './cluster/node-report.js';
import { NodeReporter } from './messaging/cluster-node.js';
import { NodeDirectory } from './messaging/node-directory.js';
import { NodeMessages } from './messaging/node-messages.js';
import { NodeRequests } from './messaging/node-requests.js';
import { LeaderBoard } from './stats/leader-board.js';
import { StatsSampler } from './stats/stats-sampler.js';
import { StatsService } from './stats/stats.service.js';
import { SharedBans } from './cluster/shared-bans.js';
import { SharedSlots } from './cluster/shared-slots.js';
import { ConnectionService } from './connection/connection.service.js';
import {
  BanCheck,
  BanStore,
  ClientBans,
  IdentityRule,
  InboundPolicy,
  OutboundPolicy,
  UserSlots,
} from './connection/ports.js';
import { Registry } from './connection/registry.js';
import { AuditTrail } from './node/audit-entry.js';
import { NodeState } from './node/node-state.js';
import { HeapSnapshotService } from './diagnosis/heap-snapshot.service.js';
import { LeakSentinel } from './diagnosis/leak-sentinel.js';
import { DoctorService } from './doctor/doctor.service.js';
import { DrainBeforeHooks } from './drain/drain-before-hooks.js';
import { SupervisorGrace } from './doctor/supervisor-grace.js';
import { DrainService } from './drain/drain.service.js';
import { GracePeriod } from './drain/grace-period.js';
import { NodeDrains } from './drain/node-drains.js';
import { ShutdownSignals } from './drain/shutdown-signals.js';
import { EventLog } from './events/event-log.js';
import { EventPolls } from './events/event-polls.js';
import { EventStreams } from './events/event-streams.js';
import { HeldAnswers } from './flow/held-answers.js';
import { InboundService } from './flow/inbound.service.js';
import { OutboundService } from './flow/outbound.service.js';
import { IncompleteMessageService } from './flow/incomplete-message.service.js';
import { ConnectionTracker } from './transports/ws/connection-tracker.js';
import { GatewayInspector } from './transports/ws/gateway-inspector.js';
import { HeartbeatGateway } from './transports/ws/heartbeat.gateway.js';
import { HttpPorts } from './transports/ws/http-ports.js';
import { MessageDispatcher } from './transports/ws/message-dispatcher.js';
import { NodeSockets } from './transports/ws/node-sockets.js';
import { Upgrades } from './transports/ws/upgrades.js';
import { HeartbeatHealthIndicator } from './health/heartbeat.health.js';
import { assertAsyncOptions, assertExtras } from './options/extras.js';
import { HeartbeatEvents } from './connection/heartbeat.events.js';
import {
  ASYNC_OPTIONS_TYPE,
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN,
  OPTIONS_TYPE,
} from './heartbeat.module-definition.js';
import { AdminPort } from './http/admin-port.js';
import { OwnRouting } from './http/own-routing.js';
import { PlatformErrors } from './http/platform-errors.js';
import { Problems } from './http/problems.js';
import { RefusedRequests } from './http/refused-requests.js';
import { HeartbeatService } from './liveness/heartbeat.service.js';
import { ReaperService } from './liveness/reaper.service.js';
import { FileWatch } from './load/file-watch.js';
import { LimitService } from './limits/limit.service.js';
import { LimitsInForce } from './limits/limits-in-force.js';
import { SharedLimits } from './limits/shared-limits.js';
import { LoadService } from './load/load.service.js';
import { OPEN_TELEMETRY, openTelemetry } from './telemetry/open-telemetry.js';
import { OtelMetrics } from './telemetry/otel-metrics.js';
import { OtelTracing } from './telemetry/otel-tracing.js';
import { Tracing } from './node/tracing.js';
import { MetricsService } from './metrics/metrics.service.js';
import { BASE_PROVIDERS } from './base-providers.js';
import { assertImportedOnce } from './module-imports.js';

/** The services that an app may inject. */
const PUBLIC = [
  ConnectionService,
  HeartbeatEvents,
  HeartbeatService,
  DrainService,
  LoadService,
  StatsService,
  LimitService,
  ClusterService,
  KickService,
  BanList,
  HeapSnapshotService,
  HeartbeatHealthIndicator,
  AdminPort,
  ConnectionTracker,
];

/**
 * Manages the app's long-lived WebSocket connections: `imports: [HeartbeatModule.forRoot()]`, and
 * `app.useWebSocketAdapter(new HeartbeatWsAdapter(app))` before the app listens.
 */
@Module({
  imports: [DiscoveryModule],
  providers: [
    ...BASE_PROVIDERS,
    ...PUBLIC,
    NodeState,
    Registry,
    UserIdentityRule,
    { provide: IdentityRule, useExisting: UserIdentityRule },
    { provide: UserSlots, useExisting: SharedSlots },
    { provide: BanCheck, useExisting: BanList satisfies Type<BanCheck> },
    { provide: ClientBans, useExisting: BanList satisfies Type<ClientBans> },
    { provide: BanStore, useExisting: BanList satisfies Type<BanStore> },
    { provide: NodeReporter, useClass: NodeReport },
    ClusterMembership,
    NodeMessages,
    NodeRequests,
    NodeDirectory,
    ClusterLists,
    ClusterKicks,
    BoundConnections,
    KickRecords,
    NodeKicks,
    Deliveries,
    ClosedConnections,
    SharedBans,
    SharedSlots,
    LimitsInForce,
    SharedLimits,
    NodeWatch,
    AdmissionService,
    ClientAddresses,
    HeldAnswers,
    InboundService,
    OutboundService,
    { provide: InboundPolicy, useExisting: InboundService },
    { provide: OutboundPolicy, useExisting: OutboundService },
    IncompleteMessageService,
    ReaperService,
    FileWatch,
    ShutdownSignals,
    DrainBeforeHooks,
    { provide: GracePeriod, useClass: SupervisorGrace },
    NodeDrains,
    MessageDispatcher,
    HeartbeatGateway,
    GatewayInspector,
    NodeSockets,
    Upgrades,
    HttpPorts,
    Problems,
    RefusedRequests,
    OwnRouting,
    PlatformErrors,
    AdminAudit,
    { provide: AuditTrail, useExisting: AdminAudit },
    AdminRefusals,
    AuditStore,
    ApplicationAudit,
    EventLog,
    EventPolls,
    EventStreams,
    StatsSampler,
    LeaderBoard,
    MetricsService,
    { provide: OPEN_TELEMETRY, useFactory: () => openTelemetry() },
    OtelTracing,
    { provide: Tracing, useExisting: OtelTracing },
    OtelMetrics,
    ConfigService,
    DoctorService,
    LeakSentinel,
    { provide: FailureWindow, useFactory: () => new FailureWindow() },
    HealthIndicatorService,
  ],
  exports: PUBLIC,
})
export class HeartbeatModule extends ConfigurableModuleClass implements OnApplicationBootstrap, OnApplicationShutdown {
  /** @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` where an application has two of this module, or one without `forRoot`. */
  constructor(
    private readonly node: NodeState,
    private readonly limits: SharedLimits,
    modules: ModulesContainer,
  ) {
    super();
    assertImportedOnce(modules.values(), HeartbeatModule, MODULE_OPTIONS_TOKEN);
  }

  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    assertExtras(options);
    return super.forRoot(options);
  }

  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    assertAsyncOptions(options);
    return super.forRootAsync(options);
  }

  /** Nest calls it after the hooks of all services. No client is admitted before the limits for all nodes are in force. */
  async onApplicationBootstrap(): Promise<void> {
    await this.limits.settled();
    this.node.bootstrapHookRan = true;
  }

  onApplicationShutdown(): void {
    this.node.log.close();
  }
}
