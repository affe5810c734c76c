/**
 * The positions of a stream: for each node, by the random part of its id that each start has, the number of the last event. As text it is
 * the id of an event, `9f86d081:12,61ed74df:7`.
 */
export type EventPositions = ReadonlyMap<string, number>;

/** Maximum of nodes in a text, which is about 4 kB; headers of a request may have 16 kB. */
export const MAX_POSITIONS = 200;

const ENTRY = /^([0-9a-f]{8}):(0|[1-9]\d{0,14})$/;

/** The random part of a node's id. */
export function bootOf(nodeId: string): string {
  return nodeId.slice(nodeId.lastIndexOf('-') + 1);
}

export function positionText(boot: string, seq: number): string {
  return `${boot}:${seq}`;
}

/** Returns null for a text that is not the id of an event. */
export function positionsOf(text: string): EventPositions | null {
  const positions = new Map<string, number>();
  const entries = text.split(',', MAX_POSITIONS + 1);
  for (const entry of entries) {
    const [, boot, seq] = ENTRY.exec(entry) ?? [];
    if (boot === undefined || seq === undefined || positions.has(boot)) return null;
    positions.set(boot, Number(seq));
  }
  return positions.size > MAX_POSITIONS ? null : positions;
}
