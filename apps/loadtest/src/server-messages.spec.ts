import { describe, expect, it } from '@jest/globals';
import { echoText, HEARTBEAT_TEXT, readServerMessage } from './server-messages.js';

describe('the messages to the server', () => {
  it('are those of the protocol', () => {
    expect(JSON.parse(echoText(12.5))).toEqual({ event: 'echo', data: { sentAt: 12.5 } });
    expect(JSON.parse(HEARTBEAT_TEXT)).toEqual({ event: 'heartbeat', data: { sentAt: 0 } });
  });
});

describe('readServerMessage', () => {
  it('knows its own echo', () => {
    expect(readServerMessage(echoText(12.5))).toEqual({ event: 'echo', sentAt: 12.5 });
  });

  it('takes the timing out of a heartbeat', () => {
    const text = '{"event":"heartbeat","data":{"sentAt":0,"connectionId":"x","intervalMs":25000,"timeoutMs":10000}}';
    expect(readServerMessage(text)).toEqual({
      event: 'heartbeat',
      timing: { intervalMs: 25_000, timeoutMs: 10_000 },
    });
  });

  it.each([
    'not JSON',
    'null',
    '7',
    '{"event":"echo"}',
    '{"event":"echo","data":{"sentAt":"1"}}',
    '{"event":"heartbeat","data":{"intervalMs":0,"timeoutMs":1}}',
    '{"event":"goodbye","data":{"code":1001}}',
  ])('leaves %s alone', text => {
    expect(readServerMessage(text)).toBeNull();
  });
});
