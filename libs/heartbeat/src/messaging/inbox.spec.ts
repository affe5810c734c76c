import { describe, expect, it } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';

import { until } from '../../../../test/support/assert/until.js';
import { Inbox } from './inbox.js';

function busy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

describe('Inbox', () => {
  it('reads at once the messages that fit into a turn', () => {
    const heard: string[] = [];
    const inbox = new Inbox(
      text => heard.push(text),
      () => undefined,
    );
    for (const text of ['a', 'b', 'c']) inbox.add(text);
    expect(heard).toEqual(['a', 'b', 'c']);
    inbox.close();
  });

  it('reads many messages in turns and in order, including later ones', async () => {
    const heard: string[] = [];
    const inbox: Inbox = new Inbox(
      text => {
        busy(1);
        heard.push(text);
        if (text === '3') inbox.add('late');
      },
      () => undefined,
    );
    const sent = Array.from({ length: 30 }, (_, place) => String(place));
    for (const text of sent) inbox.add(text);
    const read = [heard.length];
    while (heard.length < 31) {
      await turn();
      read.push(heard.length);
    }
    expect(read.length).toBeGreaterThan(4);
    // The later one was added while the first turn was full.
    expect(heard.filter(text => text !== 'late')).toEqual(sent);
    expect(heard).toContain('late');
  });

  it.each<[string, number, number]>([
    ['10,000 messages', 1, 10_000],
    ['16 MiB', 4 * 1024 * 1024, 4],
  ])('keeps at most %s, and reports each that it drops', async (_what, size, most) => {
    let [heard, dropped] = [0, 0];
    let ms = 6;
    const inbox = new Inbox(
      () => {
        busy(ms);
        ms = 0;
        heard++;
      },
      () => dropped++,
    );
    const text = 'x'.repeat(size);
    // The first message takes the whole turn.
    for (let place = 0; place < 1 + most + 5; place++) inbox.add(text);
    expect([heard, dropped]).toEqual([1, 5]);
    await until(() => heard === 1 + most);
    inbox.add(text);
    expect([heard, dropped]).toEqual([2 + most, 5]);
    inbox.close();
  });

  it('drops waiting messages when it is closed', async () => {
    let heard = 0;
    const inbox = new Inbox(
      () => {
        heard++;
        busy(6);
      },
      () => undefined,
    );
    for (const text of ['a', 'b']) inbox.add(text);
    inbox.close();
    await turn();
    await turn();
    expect(heard).toBe(1);
  });
});
