import { isIPv4 } from 'node:net';
import { endianness } from 'node:os';

/** One row of `/proc/net/tcp` or `tcp6`. Both ends are written as {@link endKey} writes them. */
export interface TcpRow {
  readonly local: string;
  readonly remote: string;
  readonly established: boolean;
}

const ESTABLISHED = '01';
/** ::ffff:a.b.c.d: the end that a dual-stack server has of an IPv4 connection. */
const MAPPED_IPV4 = endianness() === 'LE' ? '0000000000000000FFFF0000' : '00000000000000000000FFFF';

/**
 * The rows of a table, proc(5): `sl: local_address rem_address st …`. There may be a hundred thousand of them,
 * several times a second; cutting by position takes an eighth of the time that a regular expression takes.
 */
export function* readTcpTable(text: string): Generator<TcpRow> {
  let lineAt = text.indexOf('\n') + 1;
  while (lineAt > 0 && lineAt < text.length) {
    const localAt = text.indexOf(': ', lineAt) + 2;
    const remoteAt = text.indexOf(' ', localAt) + 1;
    const stateAt = text.indexOf(' ', remoteAt) + 1;
    yield {
      local: unmapped(text.slice(localAt, remoteAt - 1)),
      remote: unmapped(text.slice(remoteAt, stateAt - 1)),
      established: text.startsWith(ESTABLISHED, stateAt),
    };
    lineAt = text.indexOf('\n', stateAt) + 1;
  }
}

/** A loopback address and a port as the table writes them: the address in words of the machine's byte order. */
export function endKey(address: string, port: number): string {
  const bytes = isIPv4(address) ? address.split('.').map(Number) : [...Array<number>(15).fill(0), 1];
  const words: string[] = [];
  for (let start = 0; start < bytes.length; start += 4) {
    const word = bytes.slice(start, start + 4);
    words.push(hex(endianness() === 'LE' ? word.toReversed() : word));
  }
  return words.join('') + portSuffix(port);
}

/** How every end with that port ends. */
export function portSuffix(port: number): string {
  return `:${hex([port >> 8, port & 0xff])}`;
}

function hex(bytes: readonly number[]): string {
  return bytes.map(byte => byte.toString(16).toUpperCase().padStart(2, '0')).join('');
}

function unmapped(end: string): string {
  return end.startsWith(MAPPED_IPV4) ? end.slice(MAPPED_IPV4.length) : end;
}
