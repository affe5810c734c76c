import { describe, expect, it } from '@jest/globals';
import { OPCODE } from '../../../loadtest/src/frames.js';
import { DIALECTS, type DialectName } from './dialect.js';

describe('DIALECTS', () => {
  it.each<[DialectName, number, string, string]>([
    ['json', OPCODE.ping, '', 'ping'],
    ['json', OPCODE.text, '{"event":"echo"}', 'message'],
    ['json', OPCODE.close, '', 'close'],
    ['json', OPCODE.pong, '', 'other'],
    ['socket.io', OPCODE.text, '0{"sid":"x"}', 'welcome'],
    ['socket.io', OPCODE.text, '40{"sid":"x"}', 'open'],
    ['socket.io', OPCODE.text, '2', 'ping'],
    ['socket.io', OPCODE.text, '42["echo",{}]', 'message'],
    ['socket.io', OPCODE.text, '1', 'other'],
    ['socket.io', OPCODE.close, '', 'close'],
  ])('%s takes opcode %d with "%s" for %s', (name, opcode, payload, kind) => {
    const bytes = Buffer.from(`##${payload}`);
    expect(DIALECTS[name].kindOf(opcode, bytes, 2, payload.length)).toBe(kind);
  });
});
