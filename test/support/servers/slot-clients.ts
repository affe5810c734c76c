import type { OpenConnection, WorldNode } from './cluster-world.js';

/** Waits for some turns of the event loop: a request, its reply and the next statement take one each. */
export const settled = async (): Promise<void> => {
  await new Promise(resolve => setTimeout(resolve, 5));
  for (let turn = 0; turn < 8; turn++) await new Promise(resolve => setImmediate(resolve));
};

/** Acquires a slot and opens a connection, like an upgrade. The connection is optional. */
export async function tryOpen(node: WorldNode, userId: string, opens = true): Promise<OpenConnection | null> {
  const release = await node.slots.acquire(userId);
  if (release === null) return null;
  const opened = opens ? node.open({ userId }) : null;
  release();
  return opened;
}
