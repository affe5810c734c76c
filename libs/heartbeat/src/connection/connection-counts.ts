import { inSlices } from '../base/slices.js';
import type { Connection } from './connection.js';
import { TRANSPORT_NAMES, type TransportName } from './transport.js';

interface Connections {
  all(): Iterable<Pick<Connection, 'transport' | 'hasWork'>>;
}

/** Open connections by transport, also those of which there are none; counted in slices. */
export async function countByTransport(connections: Connections): Promise<Record<TransportName, number>> {
  const counts = Object.fromEntries(TRANSPORT_NAMES.map(name => [name, 0])) as Record<TransportName, number>;
  await inSlices([...connections.all()], ({ transport }) => counts[transport]++);
  return counts;
}

/** Connections with handlers in flight or leases in force; counted in slices. */
export async function countBusy(connections: Connections): Promise<number> {
  let count = 0;
  await inSlices([...connections.all()], ({ hasWork }) => (count += Number(hasWork)));
  return count;
}
