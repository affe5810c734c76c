import { endianness } from 'node:os';
import { describe, expect, it } from '@jest/globals';
import { endKey, portSuffix, readTcpTable } from './tcp-table.js';

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const REST = '00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 20 4 30 10 -1';
const LITTLE = endianness() === 'LE';

describe('readTcpTable', () => {
  it('reads both ends and whether they are established', () => {
    const text = [
      HEAD,
      `   0: 0100007F:0BB8 00000000:0000 0A ${REST}`,
      `   1: 0500007F:A3F1 0100007F:0BB8 01 ${REST}`,
      `12345: 0100007F:0BB8 0500007F:A3F1 04 ${REST}`,
      '',
    ].join('\n');
    expect([...readTcpTable(text)]).toEqual([
      { local: '0100007F:0BB8', remote: '00000000:0000', established: false },
      { local: '0500007F:A3F1', remote: '0100007F:0BB8', established: true },
      { local: '0100007F:0BB8', remote: '0500007F:A3F1', established: false },
    ]);
  });

  it('writes the IPv4 end of a dual-stack server like any other', () => {
    const mapped = LITTLE ? '0000000000000000FFFF00000500007F' : '00000000000000000000FFFF7F000005';
    const text = `${HEAD}\n   0: ${mapped}:0BB8 ${mapped}:A3F1 01 ${REST}\n`;
    const [row] = [...readTcpTable(text)];
    expect(row).toEqual({
      local: endKey('127.0.0.5', 3000),
      remote: endKey('127.0.0.5', 0xa3f1),
      established: true,
    });
  });

  it.each(['', HEAD, `${HEAD}\n`])('finds nothing in an empty table', text => {
    expect([...readTcpTable(text)]).toEqual([]);
  });
});

describe('endKey', () => {
  it('writes addresses in words of the machine', () => {
    expect(endKey('127.0.0.5', 3000)).toBe(LITTLE ? '0500007F:0BB8' : '7F000005:0BB8');
    expect(endKey('::1', 80)).toBe(
      `${LITTLE ? '00000000000000000000000001000000' : '00000000000000000000000000000001'}:0050`,
    );
  });

  it('ends with the port', () => {
    expect(endKey('127.0.0.1', 65_535).endsWith(portSuffix(65_535))).toBe(true);
  });
});
