import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { ClusterWorld, type WorldNode } from '../../../../test/support/servers/cluster-world.js';

Logger.overrideLogger(false);

/** 1 for a message of this kind about keys. */
const count = (text: string, kind: string) => Number(text.includes(kind) && text.includes('keys'));

describe('a list over many nodes', () => {
  let world: ClusterWorld;
  let one: WorldNode;
  let two: WorldNode;
  let three: WorldNode;

  beforeEach(async () => {
    world = new ClusterWorld();
    [one, two, three] = [await world.add(), await world.add(), await world.add()];
    await world.renewAll();
  });
  afterEach(() => world.end());

  /** The messages that a node receives from now on. */
  function heardBy(node: WorldNode): string[] {
    const heard: string[] = [];
    const listener = world.store.listeners.get(node.id)!;
    world.store.listeners.set(node.id, {
      ...listener,
      message: text => {
        heard.push(text);
        listener.message(text);
      },
    });
    return heard;
  }

  it('sends only the rows of the page, and the sort keys of the others', async () => {
    for (let time = 0; time < 200; time++) {
      world.now++;
      for (const node of world.nodes) node.open({ userId: `user-${time}` });
    }
    const heard = heardBy(one);
    const { items, total, nodes } = await one.cluster.list({ limit: 200 });
    expect([items.length, total, nodes.map(({ status }) => status)]).toEqual([200, 600, ['ok', 'ok', 'ok']]);
    const replies = heard.filter(text => text.includes('"kind":"reply"'));
    expect(replies).toHaveLength(4);
    const [whole, sent] = [JSON.stringify(items).length, replies.reduce((sum, { length }) => sum + length, 0)];
    // Two nodes sent a key for each of their 200 rows, and together about two thirds of the rows.
    expect(sent).toBeLessThan(whole);
  });

  it('is complete and unchanged beside a node of an older version', async () => {
    for (let time = 0; time < 5; time++) for (const node of world.nodes) node.open();
    const expected = await one.cluster.list({ limit: 10 });
    const lease = world.store.leases.get(two.id)!;
    const { givesKeys, ...older } = JSON.parse(lease.summary) as Record<string, unknown>;
    expect(givesKeys).toBe(true);
    world.store.leases.set(two.id, { ...lease, summary: JSON.stringify(older) });
    const [ofTwo, ofThree] = [heardBy(two), heardBy(three)];
    expect(await one.cluster.list({ limit: 10 })).toEqual(expected);
    for (const heard of [ofTwo, ofThree]) expect(heard.join()).toContain('"operation":"list"');
    for (const heard of [ofTwo, ofThree]) expect(heard.join()).not.toContain('"keys"');
  });

  it('describes a node without the version details of its lease', async () => {
    const [, second] = await one.cluster.nodes();
    expect(Object.keys(second ?? {}).toSorted()).toEqual(Object.keys(one.link.report()).toSorted());
  });

  it('requests no more than eight lists at once, and returns all', async () => {
    for (const node of world.nodes) node.open();
    let [open, most] = [0, 0];
    const { listeners } = world.store;
    const [ofOne, ofTwo] = [listeners.get(one.id)!, listeners.get(two.id)!];
    listeners.set(two.id, {
      ...ofTwo,
      message: text => {
        most = Math.max(most, (open += count(text, '"kind":"request"')));
        ofTwo.message(text);
      },
    });
    listeners.set(one.id, {
      ...ofOne,
      message: text => {
        if (text.includes(two.id)) open -= count(text, '"kind":"reply"');
        ofOne.message(text);
      },
    });
    const totals = (await Promise.all(Array.from({ length: 30 }, () => one.cluster.list()))).map(({ total }) => total);
    expect([totals, most]).toEqual([Array(30).fill(3), 8]);
  });
});
