import type { ConnectionView, HeartbeatOptions, NodeAnswer } from 'nestjs-heartbeat';
import { type Answer, ask, type Question } from '../clients/ask.js';
import { Clients, type ClientsOpening } from '../clients/clients.js';
import { fixedHeartbeat, HeartbeatWatch } from '../clients/heartbeat-watch.js';
import { Program } from './program.js';
import { ServerProcess } from './server-process.js';
import { until } from '../assert/until.js';

/** Openings on different nodes that every node finds in the same order, however busy the machine is. */
export const APART_MS = 100;

const TOKENS = [
  { token: 'see', role: 'viewer', name: 'screen' },
  { token: 'do', role: 'operator', name: 'ops' },
] as const;

/** As short as the rules allow. */
export const LEASE_MS = 3000;
export const REQUEST_TIMEOUT_MS = 1000;

/** How the nodes of a {@link TestCluster} are started. */
export interface TestClusterOptions {
  /** Default 3. */
  readonly size?: number;
  readonly redisUrl?: string;
  readonly options?: HeartbeatOptions;
  /** Further environment: see test/support/servers/cluster-node.ts. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The answer to `GET connections`. */
export interface Listing {
  readonly items: ConnectionView[];
  readonly nextCursor: string | null;
  readonly total: number;
  readonly nodes: readonly NodeAnswer[];
}

/** Nodes in processes of their own, which find each other by Redis. End all of a file's with {@link TestCluster.stopAll}. */
export class TestCluster {
  static #program: Promise<Program> | null = null;
  readonly nodes: TestNode[] = [];

  private constructor(private readonly given: TestClusterOptions) {}

  /** Starts nodes, and resolves when each sees all. */
  static async start(given: TestClusterOptions): Promise<TestCluster> {
    const cluster = new TestCluster(given);
    const size = given.size ?? 3;
    await Promise.all(Array.from({ length: size }, () => cluster.add()));
    await cluster.whole();
    return cluster;
  }

  /** Ends all nodes and all clients of this file, and forgets the program. */
  static async stopAll(): Promise<void> {
    await Promise.all([ServerProcess.stopAll(), Clients.stopAll()]);
    const program = TestCluster.#program;
    TestCluster.#program = null;
    // A test has failed with the reason where there is none.
    await program?.then(
      compiled => compiled.remove(),
      () => undefined,
    );
  }

  /** One more node. `more` is merged into the cluster's options for it. */
  async add(more: HeartbeatOptions['cluster'] = {}): Promise<TestNode> {
    TestCluster.#program ??= Program.compile('support/servers/cluster-node');
    const { entry } = await TestCluster.#program;
    const { redisUrl, options = {}, env = {} } = this.given;
    const nodeName = `node${this.nodes.length + 1}`;
    const slot = this.nodes.push(undefined as never) - 1;
    const cluster = {
      ...(redisUrl !== undefined && { redisUrl }),
      nodeName,
      leaseMs: LEASE_MS,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      ...options.cluster,
      ...more,
    };
    const all = { admin: { tokens: TOKENS }, ...options, cluster } satisfies HeartbeatOptions;
    const process = await ServerProcess.start({ entry, env: { ...env, OPTIONS: JSON.stringify(all) } });
    const node = new TestNode(nodeName, process);
    this.nodes[slot] = node;
    return node;
  }

  /** The n-th node, from 0. */
  node(index: number): TestNode {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`there is no node ${index}`);
    return node;
  }

  /** Resolves when every one of `nodes` lists all of them as answering, and so many connections. */
  async whole(connections?: number, { nodes = this.nodes, timeoutMs = 10_000 } = {}): Promise<void> {
    let last: unknown;
    const sees = async (node: TestNode): Promise<boolean> => {
      const { status, json } = await node.ask('connections?limit=1');
      last = json;
      if (status !== 200) return false;
      const { nodes: answers, total } = json as Listing;
      const isOk = answers.length === nodes.length && answers.every(answer => answer.status === 'ok');
      return isOk && (connections === undefined || total === connections);
    };
    await until(async () => (await Promise.all(nodes.map(sees))).every(Boolean), {
      timeoutMs,
      message: () => `every node to see ${nodes.length} nodes with ${connections} connections: ${JSON.stringify(last)}`,
    });
  }
}

/** So many clients of a node that is on its own tell what the machine delays. */
const CONTROL = 300;

/** Idle clients, as many on each node, with a control on a node that knows neither Redis nor the others. */
export async function watchHeartbeats(cluster: TestCluster, each: number, intervalMs: number): Promise<HeartbeatWatch> {
  const alone = await TestCluster.start({ size: 1, options: { heartbeat: fixedHeartbeat(intervalMs) } });
  const control = await alone.node(0).openClients(CONTROL);
  const allClients = await Promise.all(cluster.nodes.map(node => node.openClients(each)));
  await cluster.whole(cluster.nodes.length * each);
  return new HeartbeatWatch(allClients, control, intervalMs);
}

/** One node of a {@link TestCluster}. */
export class TestNode {
  constructor(
    readonly name: string,
    readonly process: ServerProcess,
  ) {}

  get port(): number {
    return this.process.port;
  }

  /** Clients of this node, in the process of all of the file's. */
  async openClients(count: number, opening: Omit<ClientsOpening, 'port' | 'count'> = {}): Promise<Clients> {
    const clients = new Clients({ isShared: true });
    await clients.open({ ...opening, port: this.port, count });
    return clients;
  }

  /** Asks a route below `/admin` as an operator. */
  ask(path: string, more: Partial<Question> = {}): Promise<Answer> {
    return ask({ port: this.port, path: `/admin/${path}`, headers: { authorization: 'Bearer do' }, ...more });
  }

  async list(query = ''): Promise<Listing> {
    const { status, text, json } = await this.ask(`connections?${query}`);
    if (status !== 200) throw new Error(`the listing was answered ${status}: ${text}`);
    return json as Listing;
  }

  /** Every connection of this node, or of all, sorted by opening. */
  async ids(filter = `node=${this.name}`): Promise<string[]> {
    return (await walk([this], filter)).map(({ id }) => id);
  }

  kick(id: string, query = ''): Promise<Answer> {
    return this.ask(`connections/${id}?${query}`, { method: 'DELETE' });
  }

  /** Calls a method of one of the library's services. */
  async call<Result>(service: 'bans' | 'cluster' | 'connections', method: string, ...args: unknown[]): Promise<Result> {
    const response = await fetch(`${this.process.url}/call`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ service, method, args }),
    });
    if (!response.ok) throw new Error(`${service}.${method} failed: ${await response.text()}\n${this.process.output}`);
    return ((await response.json()) as { result: Result }).result;
  }
}

/**
 * A page with the rows of at least so many nodes. A node that a busy machine holds up counts as silent for a moment, or as absent when its
 * lease ends, and its rows are missing until it answers.
 */
async function wholePage(node: TestNode, query: string, least: number): Promise<Listing> {
  let page: Listing | null = null;
  const isWhole = async (): Promise<boolean> => {
    page = await node.list(query);
    return page.nodes.length >= least && page.nodes.every(({ status }) => status === 'ok');
  };
  await until(isWhole, { message: () => `every node to answer ${query}: ${JSON.stringify(page?.nodes)}` });
  return page!;
}

/** All pages of a listing, each asked of the next of `nodes`. */
export async function walk(nodes: readonly TestNode[], query: string, limit = 500): Promise<ConnectionView[]> {
  const items: ConnectionView[] = [];
  // Filtered by a node, the list is requested of that one only.
  const least = query.includes('node=') ? 1 : nodes.length;
  let cursor: string | null = null;
  let page = 0;
  do {
    const node = nodes[page % nodes.length];
    if (node === undefined) throw new Error('there is no node to ask');
    const at: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const listing: Listing = await wholePage(node, `${query}&limit=${limit}${at}`, least);
    items.push(...listing.items);
    cursor = listing.nextCursor;
    page += 1;
  } while (cursor !== null);
  return items;
}
