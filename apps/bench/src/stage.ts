import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchPlan } from './bench-plan.js';
import { ClientGroup } from './clients.js';
import type { Scene, StageName } from './measures/measure.js';
import { Remote } from './remote.js';
import { type ServerName, SERVERS } from './server/bench-server.js';
import type { Sample, ServerProcess } from './server/server-process.js';

export interface StageOrder {
  readonly plan: BenchPlan;
  readonly stage: Exclude<StageName, 'alone'>;
  readonly server: ServerName;
  readonly socketsPerProcess: number;
  /** Where the server writes a CPU profile; null where it does not. */
  readonly profileFolder: string | null;
}

/** No heartbeat comes within a stage. */
const FAR_OFF_MS = 600_000;
/** Of the library. */
const DEFAULT_INTERVAL_MS = 25_000;
const SCRAPE_EVERY_MS = 15_000;
/**
 * The old generation grows to four times its size before it is collected. Without this, two windows in three have such a collection, which
 * costs as much as all heartbeats of a window do, and which messages bring on, not heartbeats.
 */
const RARE_COLLECTIONS = '--heap-growing-percent=300';

/** A server in its own process with its clients, as the measures of a stage find it. Its creator ends it. */
export class Stage {
  readonly #server: Remote<ServerProcess>;
  readonly #groups: ClientGroup[] = [];
  #scrapes: NodeJS.Timeout | undefined;

  constructor(private readonly order: StageOrder) {
    this.#server = new Remote<ServerProcess>(
      SERVERS[order.server].title,
      new URL('./server/server-process.js', import.meta.url),
      ['--expose-gc', ...(order.stage === 'together' ? [RARE_COLLECTIONS] : []), ...profileFlags(order)],
    );
  }

  async open(say: (what: string) => void): Promise<Scene> {
    const { plan, server: name, stage, socketsPerProcess } = this.order;
    const server = this.#server;
    const { title, dialect } = SERVERS[name];
    const intervalMs = {
      empty: FAR_OFF_MS,
      resting: DEFAULT_INTERVAL_MS,
      connected: plan.intervalMs,
      together: plan.intervalMs,
    }[stage];
    const { connections, drainSpreadMs } = plan;
    const port = await server.ask('start', { name, intervalMs, connections, drainSpreadMs });
    const addClients = (size: number): ClientGroup => {
      const clients = new ClientGroup(title, dialect, port, size, socketsPerProcess);
      this.#groups.push(clients);
      return clients;
    };
    if (name.startsWith('heartbeat') && stage !== 'resting')
      this.#scrapes = setInterval(() => void scrape(port), SCRAPE_EVERY_MS);
    const clients = addClients(plan.connections);
    const before = await warmUp(clients, server, plan);
    if (stage === 'connected' || stage === 'together') {
      say(`${plan.connections} clients of ${title} come`);
      await clients.open();
      await sleep(plan.intervalMs * 1.3);
    }
    return { plan, name, port, server, clients, before, addClients };
  }

  async end(): Promise<void> {
    clearInterval(this.#scrapes);
    await Promise.all([this.#server.end(), ...this.#groups.map(clients => clients.end())]);
  }
}

/** Code and caches that are made once exist before the count begins. */
async function warmUp(clients: ClientGroup, server: Remote<ServerProcess>, plan: BenchPlan): Promise<Sample> {
  await clients.open(plan.warmUp);
  await clients.leave();
  return server.ask('collect');
}

/** As Prometheus would: being watched belongs to what is switched on. A scrape that fails is no matter of the bench. */
async function scrape(port: number): Promise<void> {
  try {
    await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  } catch {
    // The server is ending.
  }
}

function profileFlags({ profileFolder, server, stage }: StageOrder): string[] {
  if (profileFolder === null) return [];
  return ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`, `--cpu-prof-name=${server}-${stage}.cpuprofile`];
}
