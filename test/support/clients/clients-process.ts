/**
 * The process of `Clients`: many clients, and the slow line in front of them. It executes the parent's commands, and ends
 * with it.
 */
import { performance } from 'node:perf_hooks';
import type { ClientsCall, ClientsCommands, ClientsEnd, ClientsOpening } from './clients.js';
import { DelayingProxy } from '../faults/delaying-proxy.js';
import { RawClient } from './raw-client.js';

/** Handshakes under way at once: enough to be quick, few enough for the server's backlog. */
const AT_ONCE = 100;

/** This process's `performance.now()` on the clock that all processes of the machine share. */
const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** The commands of one group of clients, which are numbered by themselves. */
function newGroup(): ClientsCommands {
  const clients: RawClient[] = [];
  const ends: ClientsEnd[] = [];
  const proxies: DelayingProxy[] = [];
  return {
    async open({ port, count, path = '/ws', from = ['127.0.0.1'], delayMs }: ClientsOpening) {
      const proxy = delayMs === undefined ? null : await DelayingProxy.start({ targetPort: port, delayMs });
      if (proxy !== null) proxies.push(proxy);
      const openedAt: number[] = [];
      let started = 0;
      const openOneByOne = async (): Promise<void> => {
        while (started++ < count) {
          const index = clients.length;
          const client = new RawClient({
            port: proxy?.port ?? port,
            path: path.replaceAll('{n}', String(index)),
            localAddress: from[index % from.length] ?? '127.0.0.1',
          });
          clients.push(client);
          const { status } = await client.open();
          if (status !== 101) throw new Error(`the upgrade of client ${index} was answered ${status}`);
          openedAt[index] = performance.now() + offset;
          void client.ended.then(({ code, error, at }) =>
            ends.push({ index, code, error: error?.code ?? null, at: at + offset }),
          );
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, openOneByOne));
      return openedAt;
    },

    async send({ text, indices }) {
      for (const index of indices ?? clients.keys()) clients[index]?.sendText(text);
    },

    async silence(indices) {
      for (const index of indices) clients[index]?.silent();
    },

    async pause(indices) {
      for (const index of indices) clients[index]?.pause();
    },

    async leave(indices) {
      const leaving = indices.flatMap(index => clients[index] ?? []);
      for (const client of leaving) client.close(1000);
      await Promise.all(leaving.map(({ ended }) => ended));
    },

    async heard(text) {
      return clients.map(({ texts }) => texts.filter(heard => heard === text).length);
    },

    async blackHole(indices) {
      const ports = new Set(indices.map(index => clients[index]?.socket.localPort));
      for (const connection of proxies.flatMap(proxy => [...proxy.connections])) {
        if (ports.has(connection.clientPort)) connection.blackHole();
      }
    },

    async pings() {
      return clients.map(({ pings }) => pings.map(({ at }) => at + offset));
    },

    async ended() {
      return ends;
    },

    async destroy() {
      for (const client of clients) client.destroy();
      await Promise.all(proxies.map(proxy => proxy.close()));
    },
  };
}

const groups = new Map<number, ClientsCommands>();

process.on('message', ({ id, group, command, argument }: ClientsCall) => {
  const commands = groups.get(group) ?? newGroup();
  groups.set(group, commands);
  const work = commands[command] as (argument: unknown) => Promise<unknown>;
  work(argument).then(
    result => process.send?.({ id, result }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  );
  if (command === 'destroy') groups.delete(group);
});
// Without its parent it has no purpose.
process.on('disconnect', () => process.exit());
