import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { inspect } from 'node:util';

import { auditLine, AuditMessage } from './admin-audit.js';
import type { AuditEntry } from './audit-view.js';

const entry: AuditEntry = {
  who: 'ops',
  what: 'kick',
  target: 'n.00000001',
  from: '127.0.0.1',
  result: 'done',
  role: 'operator',
};

describe('auditLine', () => {
  it('is the entry as JSON', () => {
    expect(auditLine(entry)).toBe(
      '{"who":"ops","what":"kick","target":"n.00000001","from":"127.0.0.1","result":"done","role":"operator"}',
    );
  });

  it.each([
    ['a line feed', '\n', '\\n'],
    ['an escape', '\u001b', '\\u001b'],
    ['a quote', '"', '\\"'],
    ['a control of the upper half', '\u009b', '\\u009b'],
    ['a line separator', '\u2028', '\\u2028'],
    ['a turn of the reading direction', '\u202e', '\\u202e'],
  ])('escapes %s', (_, unsafe, escaped) => {
    expect(auditLine({ ...entry, target: unsafe })).toContain(`"target":"${escaped}"`);
  });

  it('is one line of visible characters for any entry, and parses to the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), target => {
        const line = auditLine({ ...entry, target });
        expect(line).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        expect((JSON.parse(line) as AuditEntry).target).toBe(target);
      }),
    );
  });
});

describe('AuditMessage', () => {
  it.each<[string, Partial<AuditEntry>]>([
    ['without parameters', {}],
    ['with parameters', { parameters: { reason: 'a\u202eb', reconnect: true } }],
    ['of a target that is not plain', { target: '\u009b\n' }],
  ])('has fields in JSON and the line in text: %s', (_what, part) => {
    const { role, ...first } = entry;
    const whole = { ...first, ...part, role };
    const message = new AuditMessage(whole);
    expect(JSON.parse(JSON.stringify(message))).toEqual(whole);
    expect([String(message), inspect(message)]).toEqual([auditLine(whole), auditLine(whole)]);
    expect(inspect(message, { colors: true })).toBe(`\u001b[32m${auditLine(whole)}\u001b[39m`);
  });
});
