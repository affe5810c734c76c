import type { BenchPlan } from '../bench-plan.js';
import type { ClientGroup } from '../clients.js';
import type { Figures } from '../figures.js';
import type { Remote } from '../remote.js';
import type { ServerName } from '../server/bench-server.js';
import type { Sample, ServerProcess } from '../server/server-process.js';

/** A running server with all that a measure may use of it. */
export interface Scene {
  readonly plan: BenchPlan;
  readonly name: ServerName;
  readonly port: number;
  readonly server: Remote<ServerProcess>;
  /** The clients that are connected when a measure begins. Empty in the stages `empty` and `resting`. */
  readonly clients: ClientGroup;
  /** The server before the clients connected, nothing left to collect. */
  readonly before: Sample;
  /** Further clients, which the measure ends. */
  addClients(size: number): ClientGroup;
}

/** Several of them at once. */
export interface Together {
  readonly plan: BenchPlan;
  readonly scenes: readonly Scene[];
  say(what: string): void;
}

/**
 * Where a measure belongs. `empty`: no client is connected and heartbeats are far off. `connected`: all clients are connected and have
 * been pinged. `resting`: no client is connected, the interval is the default and nothing is scraped. `together`: the same of all its servers, alive at once. `alone`: without a server.
 */
export type StageName = 'empty' | 'resting' | 'connected' | 'together' | 'alone';

interface MeasureTrait {
  readonly name: string;
  /** Its result, for `--help`. */
  readonly finds: string;
  /** Which servers it is asked of. */
  readonly servers: readonly ServerName[];
}

export interface StagedMeasure extends MeasureTrait {
  readonly stage: 'empty' | 'resting' | 'connected';
  take(scene: Scene): Promise<Figures>;
}

export interface JointMeasure extends MeasureTrait {
  readonly stage: 'together';
  take(together: Together): Promise<ReadonlyMap<ServerName, Figures>>;
}

export interface LoneMeasure extends MeasureTrait {
  readonly stage: 'alone';
  take(plan: BenchPlan): Promise<Figures>;
}

/** One row of the table, or a few that come from the same observation. */
export type Measure = StagedMeasure | JointMeasure | LoneMeasure;
