import { describe, expect, it } from '@jest/globals';
import { medianOf, quietMeanOf, Readings } from './readings.js';

describe('Readings', () => {
  it('takes ratios within a round, and then their median', () => {
    const readings = new Readings();
    // The second round had a slow machine, for both alike.
    [
      [100, 50],
      [1000, 500],
      [100, 90],
    ].forEach(([nest, ours], round) => {
      readings.add(round, 'nest', { accept: nest });
      readings.add(round, 'heartbeat', { accept: ours });
    });
    expect(readings.median('heartbeat', 'accept')).toBe(90);
    expect(readings.ratio('accept', 'nest')).toBe(0.5);
  });

  it('leaves a round out of a ratio that lacks one of the two', () => {
    const readings = new Readings();
    readings.add(0, 'heartbeat', { accept: 10 });
    expect(readings.ratio('accept', 'nest')).toBeNull();
    readings.add(1, 'heartbeat', { accept: 20 });
    readings.add(1, 'nest', { accept: 40 });
    expect(readings.ratio('accept', 'nest')).toBe(0.5);
  });

  it('joins what a server found in several stages', () => {
    const readings = new Readings();
    readings.add(0, 'heartbeat', { accept: 10 });
    readings.add(0, 'heartbeat', { heap: 20 });
    expect([readings.median('heartbeat', 'accept'), readings.median('heartbeat', 'heap')]).toEqual([10, 20]);
  });

  it.each([
    [8, true],
    [8.01, false],
  ])('judges a stall of %d ms: reached is %s', (stall, reached) => {
    const readings = new Readings();
    readings.add(0, 'heartbeat', { stall });
    expect(readings.judge('stall')).toEqual([{ goal: { most: 8 }, value: stall, reached }]);
  });

  it('judges a goal of another server by the figures of that server', () => {
    const readings = new Readings();
    readings.add(0, 'nest-io', { heap: 100 });
    readings.add(0, 'heartbeat-io', { heap: 60 });
    const goal = { of: 'heartbeat-io', against: 'nest-io', most: 1.1 };
    expect(readings.judge('heap')).toEqual([{ goal, value: 0.6, reached: true }]);
  });

  it('judges each goal of a figure for itself', () => {
    const readings = new Readings();
    readings.add(0, 'ws', { throughput: 100 });
    readings.add(0, 'nest', { throughput: 50 });
    readings.add(0, 'heartbeat', { throughput: 60 });
    const found = readings.judge('throughput').map(({ goal, reached }) => [goal.against, reached]);
    expect(found).toEqual([
      ['nest', false],
      ['ws', false],
    ]);
  });

  it('has no judgement where nothing was found', () => {
    expect(new Readings().judge('stall')).toEqual([]);
  });

  it('shows only rows and servers that have a figure, in the order of the table', () => {
    const readings = new Readings();
    readings.add(0, 'heartbeat', { stall: 1, heap: 2 });
    readings.add(0, 'ws', { heap: 3 });
    expect(readings.figures).toEqual(['heap', 'stall']);
    expect(readings.servers).toEqual(['ws', 'heartbeat']);
  });
});

describe('medianOf', () => {
  it.each([
    [[3], 3],
    [[9, 1, 5], 5],
    [[4, 1, 2, 3], 2.5],
  ])('of %j is %d', (values, median) => {
    expect(medianOf(values)).toBe(median);
  });
});

describe('quietMeanOf', () => {
  it.each([
    [[3], 3],
    [[90, 1, 5], 3],
    [[100, 1, 2, 300], 1.5],
  ])('of %j is %d', (values, mean) => {
    expect(quietMeanOf(values)).toBe(mean);
  });
});
