import { describe, expect, it } from '@jest/globals';

import type { Connection } from './connection.js';
import { resolveOptions } from '../options/resolve-options.js';
import { Registry } from './registry.js';

/** The part of a connection that the registry uses. */
function fakeConnection(serial: number, ip = '10.0.0.1', userId: string | null = null) {
  return { serial, ip, userId } as Pick<Connection, 'serial' | 'ip'> & { userId: string | null } as Connection;
}

describe('Registry', () => {
  it('finds by serial, by address and by user', () => {
    const registry = new Registry(resolveOptions());
    const [ann, bob, nobody] = [
      fakeConnection(1, '10.0.0.1', 'ann'),
      fakeConnection(2, '10.0.0.1', 'bob'),
      fakeConnection(3, '::1'),
    ];
    for (const connection of [ann, bob, nobody]) registry.add(connection);
    expect(registry.get(2)).toBe(bob);
    expect(registry.get(4)).toBeUndefined();
    expect(registry.byNetwork.get('10.0.0.1')).toEqual([ann, bob]);
    expect(registry.byUser.get('ann')).toEqual([ann]);
    expect([...registry.all()]).toEqual([ann, bob, nobody]);
    expect(registry.size).toBe(3);
  });

  it('removes a connection from all indexes, once', () => {
    const registry = new Registry(resolveOptions());
    const ann = fakeConnection(1, '10.0.0.1', 'ann');
    registry.add(ann);
    expect(registry.remove(ann)).toBe(true);
    expect(registry.remove(ann)).toBe(false);
    expect([registry.size, registry.byNetwork.size, registry.byUser.size, registry.has(ann)]).toEqual([0, 0, 0, false]);
  });

  it('does not confuse a connection with another one of the same serial', () => {
    const registry = new Registry(resolveOptions());
    registry.add(fakeConnection(1));
    expect(registry.has(fakeConnection(1))).toBe(false);
  });

  it('repairs nothing in a consistent registry', () => {
    const registry = new Registry(resolveOptions());
    const ann = fakeConnection(1, '10.0.0.1', 'ann');
    registry.add(ann);
    expect([registry.repair(ann), registry.sweep()]).toEqual([0, 0]);
  });

  it.each([
    ['the address', (registry: Registry, lost: Connection) => registry.byNetwork.remove('10.0.0.1', lost), 1],
    ['the user', (registry: Registry, lost: Connection) => registry.byUser.remove('ann', lost), 1],
    [
      'both',
      (registry: Registry, lost: Connection) =>
        registry.byNetwork.remove('10.0.0.1', lost) && registry.byUser.remove('ann', lost),
      2,
    ],
  ])('restores %s where an index lacks it', (_what, lose, missing) => {
    const registry = new Registry(resolveOptions());
    const ann = fakeConnection(1, '10.0.0.1', 'ann');
    registry.add(ann);
    lose(registry, ann);
    expect(registry.repair(ann)).toBe(missing);
    expect([registry.byNetwork.get('10.0.0.1'), registry.byUser.get('ann')]).toEqual([[ann], [ann]]);
  });

  it('removes entries of connections that it does not contain', () => {
    const registry = new Registry(resolveOptions());
    const [ann, ghost] = [fakeConnection(1, '10.0.0.1', 'ann'), fakeConnection(2, '10.0.0.1', 'ann')];
    registry.add(ann);
    registry.byNetwork.add('10.0.0.1', ghost);
    registry.byUser.add('ann', ghost);
    expect(registry.sweep()).toBe(2);
    expect([registry.byNetwork.get('10.0.0.1'), registry.byUser.get('ann')]).toEqual([[ann], [ann]]);
  });

  it('removes entries under a key that is not the connection’s', () => {
    const registry = new Registry(resolveOptions());
    const ann = fakeConnection(1, '10.0.0.1', 'ann');
    registry.add(ann);
    registry.byNetwork.add('10.9.9.9', ann);
    registry.byUser.add('bob', ann);
    expect(registry.sweep()).toBe(2);
    expect([registry.byNetwork.get('10.9.9.9'), registry.byUser.get('bob')]).toEqual([[], []]);
  });
});
