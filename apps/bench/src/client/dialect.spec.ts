import { describe, expect, it } from '@jest/globals';
import { Opcode } from '../../../loadtest/src/frames.js';
import { DIALECTS, type DialectName } from './dialect.js';

describe('DIALECTS', () => {
  it.each<[DialectName, number, string, string]>([
    ['json', Opcode.ping, '', 'ping'],
    ['json', Opcode.text, '{"event":"echo"}', 'message'],
    ['json', Opcode.close, '', 'close'],
    ['json', Opcode.pong, '', 'other'],
    ['socket.io', Opcode.text, '0{"sid":"x"}', 'welcome'],
    ['socket.io', Opcode.text, '40{"sid":"x"}', 'open'],
    ['socket.io', Opcode.text, '2', 'ping'],
    ['socket.io', Opcode.text, '42["echo",{}]', 'message'],
    ['socket.io', Opcode.text, '1', 'other'],
    ['socket.io', Opcode.close, '', 'close'],
  ])('%s takes opcode %d with "%s" for %s', (name, opcode, payload, kind) => {
    const bytes = Buffer.from(`##${payload}`);
    expect(DIALECTS[name].kindOf(opcode, bytes, 2, payload.length)).toBe(kind);
  });
});
