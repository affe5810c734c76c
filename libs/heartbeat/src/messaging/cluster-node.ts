import { z } from 'zod';

import { wireCount, wireText } from '../base/wire-values.js';
import { parseBy } from './wire.js';

/** The content of a lease: the description of its node. */
const description = z.object({
  name: wireText.meta({ description: 'Its name; several nodes may share it.' }),
  /** As far as the node can know it. */
  address: wireText.meta({ description: 'Where it listens, as far as it can know.' }),
  /** Of nestjs-heartbeat. */
  version: wireText.meta({ description: 'Of nestjs-heartbeat.' }),
  state: z.enum(['starting', 'up', 'draining']),
  connections: wireCount.meta({ description: 'All its connections.' }),
  /** From 0 (idle) to 1 (no more). */
  load: z.number().meta({ description: 'From 0 (idle) to 1 (no more).' }),
  /** The heartbeat's interval in force. */
  intervalMs: z.number().meta({ description: "The heartbeat's interval in force." }),
});
export type NodeDescription = Readonly<z.output<typeof description>>;

/** A node of the cluster, as its lease describes it. */
export const clusterNode = z.object({
  id: wireText.meta({ description: 'Its name, and a random part for each boot.' }),
  ...description.shape,
  /** How old this report is. */
  ageMs: z.number().meta({ description: 'How old this report is.' }),
});
export interface ClusterNode extends Readonly<z.output<typeof clusterNode>> {}

/** Describes this node to the others, at each renewal of its lease. A port; its class is the injection token. */
export abstract class NodeReporter {
  abstract describe(): NodeDescription;
}

/** Whether a node knows the operations `keys` and `rows`; older versions lack it. */
const lease = description.extend({ givesKeys: z.boolean().optional() });

export function encodeLease(node: NodeDescription): string {
  return JSON.stringify({ ...node, givesKeys: true } satisfies z.input<typeof lease>);
}

/** Returns null for a text that does not describe a node. */
export function decodeLease(given: string): z.output<typeof lease> | null {
  return parseBy(lease, given);
}
