import { describe, expect, it } from '@jest/globals';
import { Readings } from './readings.js';
import { renderTable, shown } from './table.js';

describe('renderTable', () => {
  it('has a column for each server, and shows for each goal whether it was reached', () => {
    const readings = new Readings();
    readings.add(0, 'nest', { heap: 10_300 });
    readings.add(0, 'heartbeat', { heap: 3600, stall: 9.5 });
    expect(renderTable(readings).split('\n')).toEqual([
      '|                                      |   Nest | heartbeat |        goal for heartbeat |           is |',
      '| ------------------------------------ | -----: | --------: | ------------------------: | -----------: |',
      '| heap for each idle connection, bytes | 10,300 |     3,600 | ≤ 0.35 × Nest, ≤ 1.3 × ws | 0.35 reached |',
      '| longest stall of the loop, ms        |        |       9.5 |                       ≤ 8 |   9.5 missed |',
      '',
    ]);
  });
});

describe('shown', () => {
  it.each([
    [null, ''],
    [0, '0'],
    [0.012_345, '0.0123'],
    [9.876, '9.88'],
    [99.96, '100'],
    [12_345.6, '12,346'],
    [-250.4, '-250'],
  ])('%d as %s', (value, text) => {
    expect(shown(value)).toBe(text);
  });
});
