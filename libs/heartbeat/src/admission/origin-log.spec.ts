import { beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';
import * as fc from 'fast-check';

import { LimitedLogger } from '../base/limited-logger.js';
import { originJudge } from '../base/origin.js';
import { resolveOptions } from '../options/resolve-options.js';
import { OriginLog } from './origin-log.js';

const warnings: string[] = [];
const nothing = () => undefined;
Logger.overrideLogger({ log: nothing, error: nothing, warn: (line: string) => void warnings.push(line) });

const HOST = 'app.example.com';

function aLog(allowed: 'same-host' | readonly string[] = ['https://app.example.com']) {
  const clock = { ms: 0, now: () => clock.ms, wallTime: (moment: number) => new Date(moment) };
  const limited = new LimitedLogger('Heartbeat', clock);
  return { clock, limited, log: new OriginLog(limited, clock, allowed) };
}

/** The origin that a line advises to list, if any. */
const advised = (line: string) => /(?:add|to a list of) "([^"]+)"/.exec(line)?.[1];

beforeEach(() => {
  warnings.length = 0;
});

describe('OriginLog', () => {
  it.each([
    'https://other.example',
    'HTTPS://Other.Example:443',
    'http://[0:0::1]:3000',
    'https://bücher.example',
    'capacitor://localhost',
    'chrome-extension://ABCDEF',
    'file://',
    'null',
    'app://.',
    `https://${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.example`,
  ])('advises an entry that allows %s', origin => {
    const { log, limited } = aLog();
    log.refused(origin, HOST);
    const entry = advised(warnings[0]!);
    const { origins } = resolveOptions({ origins: [entry!] });
    expect(originJudge(origins)(origin, HOST)).toBe('allowed');
    limited.close();
  });

  it.each([
    '',
    ' ',
    'https://a.example/',
    'a.example',
    'https://a.example, https://b.example',
    'https://*.example.com',
  ])('advises no entry for %j, since none allows it', origin => {
    const { log, limited } = aLog();
    log.refused(origin, HOST);
    expect(warnings).toEqual([expect.stringMatching(/no entry of the option origins/)]);
    expect(advised(warnings[0]!)).toBeUndefined();
    limited.close();
  });

  it('advises a valid entry for any origin that it names', () => {
    const parts = fc.tuple(
      fc.constantFrom('https://', 'app://', 'x+y://', 'file://', ''),
      fc.oneof(fc.domain(), fc.string({ unit: 'binary' }), fc.webUrl()),
    );
    fc.assert(
      fc.property(parts, ([scheme, rest]) => {
        warnings.length = 0;
        const { log, limited } = aLog([]);
        log.refused(scheme + rest, HOST);
        limited.close();
        const entry = advised(warnings[0]!);
        const { origins } = resolveOptions({ origins: entry === undefined ? [] : [entry] });
        // Either the advised entry works, or the line states that there is none.
        const verdict = originJudge(origins)(scheme + rest, HOST);
        expect([verdict, warnings[0]!.includes('no entry of the option origins')]).toEqual(
          entry === undefined ? ['refused', true] : ['allowed', false],
        );
      }),
    );
  });

  it('advises to list the own pages too, where the list would replace same-host', () => {
    const { log } = aLog('same-host');
    log.refused('https://other.example', HOST);
    expect(warnings[0]).toContain('to a list of "https://other.example" and the origins of your own pages');
  });

  it('names the risk of the opaque origin', () => {
    const { log } = aLog();
    log.refused('null', HOST);
    expect(warnings[0]).toContain('sandboxed frames');
  });

  it('names each of a few origins once in a minute, and counts the others', () => {
    const { clock, log, limited } = aLog();
    for (let round = 0; round < 3; round++)
      for (let i = 0; i < 200; i++) log.refused(`https://evil-${i}.example`, HOST);
    expect(warnings).toHaveLength(11);
    clock.ms += 60_000;
    log.refused('https://evil-150.example', HOST);
    expect(warnings.at(-1)).toContain('https://evil-150.example');
    limited.close();
  });

  it('logs one line for all texts that are not an origin', () => {
    const { log, limited } = aLog();
    for (let i = 0; i < 200; i++) log.refused(`evil ${i}`, HOST);
    expect(warnings).toHaveLength(1);
    limited.close();
  });

  it('escapes client input in both headers', () => {
    const { log } = aLog();
    log.refused('https://evil\u009b2J\n', 'host\u202e\r\n');
    expect(warnings[0]).toContain('"https://evil\\x9b2J\\n" for the host "host\\u202e\\r\\n"');
  });
});
