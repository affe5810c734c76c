import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Each namespace needs a network of its own: the pid keeps jest's workers apart, the count those of one file. */
let made = 0;

/**
 * A network namespace joined to this machine by a pair of virtual interfaces. Packets can be dropped inside, silently, both
 * ways, as a firewall, a dead cable or a suspended peer does, with real TCP retransmission and keepalive. Needs root.
 */
export class NetworkNamespace {
  /** Runs a program inside: `[...namespace.exec, 'node', 'client.js']`. It execs, so the pid is the program's. */
  readonly exec: readonly string[];

  private constructor(
    readonly name: string,
    /** This machine's address on the link. */
    readonly hostAddress: string,
    /** The namespace's address on the link. */
    readonly address: string,
    private readonly veth: string,
  ) {
    this.exec = ['ip', 'netns', 'exec', name];
  }

  /** Makes a namespace and its link. Throws an error that names the command when it cannot. */
  static async create(): Promise<NetworkNamespace> {
    made += 1;
    const tag = `${process.pid % 100_000}x${made % 100}`;
    const network = `10.${200 + (process.pid % 50)}.${made % 256}`;
    const namespace = new NetworkNamespace(`hb${tag}`, `${network}.1`, `${network}.2`, `hbv${tag}`);
    try {
      await namespace.#setUp();
    } catch (error) {
      await namespace.remove();
      throw error;
    }
    return namespace;
  }

  /**
   * {@link create}, for a machine where it may be forbidden: logs what is missing and resolves with null, so that the test can end.
   * In CI it throws instead: there a test must not pass without having run.
   */
  static async createIfAllowed(): Promise<NetworkNamespace | null> {
    try {
      return await NetworkNamespace.create();
    } catch (error) {
      if (process.env['CI'] !== undefined) throw error;
      process.stderr.write(`NOT RUN, ${(error as Error).message}\n`);
      return null;
    }
  }

  /** Drops every packet of the link from now on, without an error to either side. */
  async blackHole(): Promise<void> {
    await this.#inside('nft', 'add', 'table', 'inet', 'hole');
    for (const [hook, direction] of Object.entries({ input: 'iifname', output: 'oifname' })) {
      await this.#inside('nft', 'add', 'chain', 'inet', 'hole', hook, `{ type filter hook ${hook} priority 0 ; }`);
      await this.#inside('nft', 'add', 'rule', 'inet', 'hole', hook, direction, 'eth0', 'drop');
    }
  }

  /** Lets packets pass again. */
  async heal(): Promise<void> {
    await this.#inside('nft', 'delete', 'table', 'inet', 'hole');
  }

  /** Removes the namespace and its link; harmless when they are gone. Processes inside must have ended before. */
  async remove(): Promise<void> {
    await run('ip', ['netns', 'del', this.name]).catch(() => {});
    await run('ip', ['link', 'del', this.veth]).catch(() => {});
  }

  async #setUp(): Promise<void> {
    await must('ip', 'netns', 'add', this.name);
    await must('ip', 'link', 'add', this.veth, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.name);
    await must('ip', 'address', 'add', `${this.hostAddress}/24`, 'dev', this.veth);
    await must('ip', 'link', 'set', this.veth, 'up');
    await this.#inside('ip', 'address', 'add', `${this.address}/24`, 'dev', 'eth0');
    await this.#inside('ip', 'link', 'set', 'eth0', 'up');
    await this.#inside('ip', 'link', 'set', 'lo', 'up');
  }

  async #inside(...command: string[]): Promise<void> {
    await must('ip', 'netns', 'exec', this.name, ...command);
  }
}

async function must(command: string, ...args: string[]): Promise<void> {
  try {
    await run(command, args);
  } catch (error) {
    const { code, stderr = '' } = error as NodeJS.ErrnoException & { stderr?: string };
    const why =
      code === 'ENOENT' ? `${command} is missing: apt-get install iproute2 nftables` : `needs root: ${stderr.trim()}`;
    throw new Error(`cannot run "${[command, ...args].join(' ')}", ${why}`, { cause: error });
  }
}
