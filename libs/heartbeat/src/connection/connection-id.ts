/** The width of a connection's serial in its id, so that ids of a node sort in the order in which the connections were opened. */
const SERIAL_WIDTH = 8;
const ID = new RegExp(`^(.+)\\.[0-9a-z]{${SERIAL_WIDTH}}$`, 's');
const SERIAL = new RegExp(`^[0-9a-z]{${SERIAL_WIDTH}}$`);

/** The id of a connection: unique over all nodes and starts. */
export function connectionId(nodeId: string, serial: number): string {
  return `${nodeId}.${serial.toString(36).padStart(SERIAL_WIDTH, '0')}`;
}

/** The id of the node in a connection's id; undefined for any other text. */
export function nodeIdOf(id: string): string | undefined {
  return ID.exec(id)?.[1];
}

/** The serial in an id of this node; `NaN` for any other text, which no connection has. */
export function serialOf(nodeId: string, id: string): number {
  const serial = id.slice(nodeId.length + 1);
  return id.startsWith(`${nodeId}.`) && SERIAL.test(serial) ? Number.parseInt(serial, 36) : Number.NaN;
}
