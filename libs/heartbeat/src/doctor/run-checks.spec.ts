import { describe, expect, it } from '@jest/globals';

import type { HeartbeatOptions } from '../options/heartbeat.options.js';
import { resolveOptions } from '../options/resolve-options.js';
import { runChecks } from './run-checks.js';
import type { Severity } from './finding.js';
import type { SystemReader } from './system-reader.js';

const MIB = 1024 * 1024;
const TOKEN = { token: 'a-token-that-is-long-enough', role: 'operator', name: 'ops' } as const;
/** Options of a node without problems. */
const SOUND: HeartbeatOptions = {
  admin: { tokens: [TOKEN] },
  heartbeat: { skipWhenActive: false },
  trustedProxies: ['10.0.0.0/8'],
  hosts: ['app.example'],
  backpressure: { maxTotalBufferedBytes: 512 * MIB },
};
/** Files of a machine without problems. */
const FILES: Readonly<Record<string, string>> = {
  '/proc/self/limits':
    'Limit                     Soft Limit           Hard Limit           Units\nMax open files            65536                65536                files\n',
  '/proc/sys/net/core/somaxconn': '4096\n',
  '/proc/sys/net/ipv4/ip_local_port_range': '32768\t60999\n',
  '/proc/sys/net/ipv4/tcp_keepalive_time': '7200\n',
  '/proc/sys/net/ipv4/tcp_keepalive_intvl': '75\n',
  '/proc/sys/net/ipv4/tcp_keepalive_probes': '9\n',
  '/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established': '432000\n',
  '/proc/sys/net/netfilter/nf_conntrack_max': '262144\n',
  '/proc/sys/net/netfilter/nf_conntrack_count': '17\n',
  '/proc/meminfo': 'MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n',
};

interface Case {
  readonly options?: HeartbeatOptions;
  /** Replaces files of the machine; null removes a file. */
  readonly files?: Readonly<Record<string, string | null>>;
  readonly variables?: Readonly<Record<string, string>>;
  readonly heapMib?: number;
  readonly ws?: string | null;
  readonly proxyHeaderSeen?: boolean | null;
  readonly listensOn?: string | null;
  readonly unixPeerSeen?: boolean;
  readonly isTls?: boolean;
  readonly hasAdminPort?: boolean;
}

function findingsOf({ options, files, variables, heapMib = 2048, ws = '8.23.0', ...node }: Case) {
  const { proxyHeaderSeen = false, listensOn = null, unixPeerSeen = false, ...more } = node;
  const all: Readonly<Record<string, string | null>> = { ...FILES, ...files };
  const system: SystemReader = {
    file: path => all[path] ?? null,
    variable: name => ({ TERMINATION_GRACE_PERIOD_SECONDS: '30', ...variables })[name] || null,
    packageVersion: () => ws,
    heapLimitBytes: () => heapMib * MIB,
  };
  return runChecks({
    options: resolveOptions({ ...SOUND, ...options }),
    system,
    proxyHeaderSeen,
    unixPeerSeen,
    listensOn,
    ...more,
  });
}

const find = (id: string, given: Case) => findingsOf(given).find(found => found.id === id)!;
const limits = (count: string) => ({ '/proc/self/limits': FILES['/proc/self/limits']!.replaceAll('65536', count) });
const conntrack = (name: string, value: string | null) => ({ [`/proc/sys/net/netfilter/nf_conntrack_${name}`]: value });

const ANONYMOUS_TOO = { authenticate: Object.assign(() => 'anonymous' as const, { admitsAnonymous: true }) };

describe('runChecks', () => {
  it('finds no problem on a sound node', () => {
    expect(findingsOf({}).filter(({ severity }) => severity !== 'ok')).toEqual([]);
  });

  it('has all texts in every finding, under a unique id', () => {
    const findings = [...findingsOf({}), ...findingsOf({ files: limits('100'), ws: '8.1.0' })];
    for (const { id, title, evidence, why, remedy } of findings) {
      expect(id).toMatch(/^[a-z-]+$/);
      expect(title).toMatch(/^[A-Z]/);
      expect(why).toMatch(/\.$/);
      expect(remedy).toMatch(/\.$/);
      expect(evidence).not.toBe('');
    }
    expect(new Set(findingsOf({}).map(({ id }) => id)).size).toBe(findingsOf({}).length);
  });

  it('lists the most severe first', () => {
    const severities = findingsOf({
      files: limits('100'),
      options: { admin: { tokens: [] } },
      variables: { TERMINATION_GRACE_PERIOD_SECONDS: '' },
    }).map(({ severity }) => severity);
    expect(severities).toEqual(['error', 'warn', 'info', ...Array.from({ length: severities.length - 3 }, () => 'ok')]);
  });

  it.each<[string, string, Severity, Case]>([
    ['open-files', 'room for all', 'ok', { files: limits('10256') }],
    ['open-files', 'no limit', 'ok', { files: limits('unlimited') }],
    ['open-files', 'room for the connections only', 'warn', { files: limits('10255') }],
    ['open-files', 'less than the connections', 'error', { files: limits('9999') }],
    ['listen-backlog', 'less than Node’s', 'warn', { files: { '/proc/sys/net/core/somaxconn': '128\n' } }],
    ['ephemeral-ports', 'as many', 'ok', { options: { limits: { maxConnections: 28_232 } } }],
    ['ephemeral-ports', 'fewer', 'warn', { options: { limits: { maxConnections: 28_233 } } }],
    ['pings-as-life', 'pings that are skipped', 'info', { options: { heartbeat: { skipWhenActive: true } } }],
    ['tcp-keepalive', 'off', 'info', { options: { tcp: { keepAlive: false } } }],
    ['tcp-keepalive', 'kernel’s unreadable', 'ok', { files: { '/proc/sys/net/ipv4/tcp_keepalive_time': null } }],
    ['conntrack-timeout', 'longer than the interval', 'ok', { files: conntrack('tcp_timeout_established', '46') }],
    ['conntrack-timeout', 'as long', 'error', { files: conntrack('tcp_timeout_established', '45') }],
    [
      'conntrack-timeout',
      'longer than a fixed interval',
      'ok',
      { files: conntrack('tcp_timeout_established', '30'), options: { heartbeat: { adaptive: false } } },
    ],
    ['conntrack-table', 'room for both entries', 'ok', { files: conntrack('max', '20000') }],
    ['conntrack-table', 'room for one entry', 'warn', { files: conntrack('max', '19999') }],
    ['conntrack-table', 'less', 'error', { files: conntrack('max', '9999') }],
    ['conntrack-table', 'unknown use', 'ok', { files: conntrack('count', null) }],
    ['heap-limit', 'three quarters', 'ok', { heapMib: 6144 }],
    ['heap-limit', 'more', 'warn', { heapMib: 6145 }],
    ['heap-limit', 'more than there is', 'error', { heapMib: 8193 }],
    [
      'heap-limit',
      'more than the container has',
      'error',
      {
        heapMib: 600,
        files: {
          '/proc/self/cgroup': '0::/\n',
          '/sys/fs/cgroup/memory.max': `${512 * MIB}`,
          '/sys/fs/cgroup/memory.current': '1',
        },
      },
    ],
    ['heap-for-connections', 'half of the heap', 'ok', { options: { limits: { maxConnections: 131_072 } } }],
    ['heap-for-connections', 'more', 'warn', { options: { limits: { maxConnections: 131_073 } } }],
    ['heap-for-connections', 'more than the heap', 'error', { options: { limits: { maxConnections: 262_145 } } }],
    [
      'buffered-memory',
      'little for each',
      'ok',
      { options: { backpressure: { maxTotalBufferedBytes: 10 ** 12, maxBufferedBytes: 65_536 } } },
    ],
    ['buffered-memory', 'half', 'ok', { options: { backpressure: { maxTotalBufferedBytes: 4096 * MIB } } }],
    ['buffered-memory', 'more', 'warn', { options: { backpressure: { maxTotalBufferedBytes: 4096 * MIB + 1 } } }],
    [
      'buffered-memory',
      'more than there is',
      'error',
      { options: { backpressure: { maxTotalBufferedBytes: 8193 * MIB } } },
    ],
    ['proxy-idle', 'five seconds to spare', 'ok', { options: { heartbeat: { maxIntervalMs: 55_000 } } }],
    ['proxy-idle', 'less', 'warn', { options: { heartbeat: { maxIntervalMs: 55_001 } } }],
    ['proxy-idle', 'a fixed interval', 'ok', { options: { heartbeat: { maxIntervalMs: 90_000, adaptive: false } } }],
    ['drain-deadline', 'a second to spare', 'ok', { variables: { TERMINATION_GRACE_PERIOD_SECONDS: '26' } }],
    ['drain-deadline', 'less', 'warn', { variables: { TERMINATION_GRACE_PERIOD_SECONDS: '25.9' } }],
    ['drain-deadline', 'unknown', 'info', { variables: { TERMINATION_GRACE_PERIOD_SECONDS: '' } }],
    ['drain-deadline', 'no number', 'warn', { variables: { TERMINATION_GRACE_PERIOD_SECONDS: '30s' } }],
    ['proxy-header', 'trusted proxies', 'ok', { proxyHeaderSeen: true }],
    ['proxy-header', 'no proxy', 'ok', { options: { trustedProxies: [] } }],
    ['proxy-header', 'an unknown proxy', 'warn', { options: { trustedProxies: [] }, proxyHeaderSeen: true }],
    [
      'proxy-header',
      'an unknown proxy and limits',
      'error',
      { options: { trustedProxies: [], limits: { maxPerIp: 5 } }, proxyHeaderSeen: true },
    ],
    [
      'proxy-header',
      'an unknown proxy and rates',
      'error',
      { options: { trustedProxies: [], limits: { upgradesPerSecondPerIp: 5 } }, proxyHeaderSeen: true },
    ],
    ['proxy-header', 'no node', 'info', { options: { trustedProxies: [] }, proxyHeaderSeen: null }],
    ['proxy-header', 'every address trusted', 'warn', { options: { trustedProxies: ['10.0.0.1', '0.0.0.0/0'] } }],
    ['admin-tokens', 'none', 'warn', { options: { admin: { tokens: [] } } }],
    [
      'admin-tokens',
      'a short one',
      'warn',
      { options: { admin: { tokens: [TOKEN, { ...TOKEN, token: 'short', name: 'tv' }] } } },
    ],
    ['anonymous-clients', 'an unknown address', 'ok', {}],
    ['host-names', 'no list', 'warn', { options: { hosts: [], trustedProxies: [] } }],
    ['host-names', 'no list behind a proxy', 'info', { options: { hosts: [] } }],
    ['host-names', 'no list, and TLS', 'ok', { isTls: true, options: { hosts: [] } }],
    ['host-names', 'a list of origins', 'ok', { options: { hosts: [], origins: ['https://app.example'] } }],
    ['host-names', 'a list', 'ok', {}],
    ['admin-port', 'one port for all', 'info', { listensOn: '0.0.0.0', hasAdminPort: false }],
    ['admin-port', 'a port of its own', 'ok', { listensOn: '0.0.0.0', hasAdminPort: true }],
    ['admin-port', 'one port for this machine', 'ok', { listensOn: '::1', hasAdminPort: false }],
    ['admin-port', 'no server', 'ok', {}],
    ['anonymous-clients', 'this machine alone', 'ok', { listensOn: '127.0.0.1' }],
    ['anonymous-clients', 'this machine alone, by IPv6', 'ok', { listensOn: '::1' }],
    ['anonymous-clients', 'this machine alone, by a mapped address', 'ok', { listensOn: '::ffff:127.0.0.1' }],
    ['anonymous-clients', 'this machine alone, by name', 'ok', { listensOn: 'localhost' }],
    ['anonymous-clients', 'every interface', 'warn', { listensOn: '0.0.0.0' }],
    ['anonymous-clients', 'every interface by IPv6', 'warn', { listensOn: '::' }],
    ['anonymous-clients', 'an address of the network', 'warn', { listensOn: '192.0.2.7' }],
    ['anonymous-clients', 'a name', 'warn', { listensOn: 'realtime.example' }],
    ['anonymous-clients', 'authenticate', 'ok', { listensOn: '::', options: { authenticate: () => null } }],
    ['anonymous-clients', 'allowed, on every interface', 'warn', { listensOn: '::', options: ANONYMOUS_TOO }],
    ['anonymous-clients', 'allowed, on this machine alone', 'ok', { listensOn: '::1', options: ANONYMOUS_TOO }],
    ['anonymous-clients', 'allowed, on an unknown address', 'ok', { options: ANONYMOUS_TOO }],
    ['ws-version', 'the safe one', 'ok', { ws: '8.23.0' }],
    ['ws-version', 'a newer one', 'ok', { ws: '8.23.1' }],
    ['ws-version', 'a much newer one', 'ok', { ws: '10.0.0' }],
    ['ws-version', 'the one before', 'error', { ws: '8.22.0' }],
    ['ws-version', 'an old one with a large number', 'error', { ws: '7.99.99' }],
    ['ws-version', 'a pre-release', 'error', { ws: '8.23.0-rc.1' }],
    ['ws-version', 'a pre-release of a later one', 'ok', { ws: '8.24.0-rc.1' }],
    ['ws-version', 'unknown', 'info', { ws: null }],
  ])('%s, %s: %s', (id, _what, severity, given) => {
    expect(find(id, given)).toMatchObject({ severity });
  });

  it.each([
    ['open-files', '/proc/self/limits'],
    ['listen-backlog', '/proc/sys/net/core/somaxconn'],
    ['ephemeral-ports', '/proc/sys/net/ipv4/ip_local_port_range'],
    ['conntrack-timeout', '/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established'],
    ['conntrack-table', '/proc/sys/net/netfilter/nf_conntrack_max'],
  ])('reports that %s cannot be read', (id, path) => {
    for (const content of [null, '', 'garbage\n', '12 garbage\n']) {
      expect(find(id, { files: { [path]: content } })).toMatchObject({
        severity: 'info',
        evidence: expect.stringContaining(`${path} cannot be read`),
      });
    }
  });

  it('returns every finding on a system without any of the files', () => {
    const none = Object.fromEntries(Object.keys(FILES).map(path => [path, null]));
    const findings = findingsOf({ files: none });
    expect(findings).toHaveLength(findingsOf({}).length);
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  it('shows the numbers, and a sufficient remedy', () => {
    expect(find('open-files', { files: limits('4096') })).toMatchObject({
      evidence: '4096 files may be open (/proc/self/limits), limits.maxConnections is 10000',
      remedy: expect.stringMatching(/`ulimit -n 10256`.*LimitNOFILE=10256.*lower limits\.maxConnections to 3840\.$/),
    });
    expect(find('open-files', { files: limits('4096'), options: { limits: { maxConnections: 3840 } } }).severity).toBe(
      'ok',
    );
    expect(find('drain-deadline', { variables: { TERMINATION_GRACE_PERIOD_SECONDS: '10' } }).remedy).toContain('26 s');
  });

  it.each<[string, Case]>([
    ['heap-limit', { heapMib: 6145 }],
    ['heap-limit', { heapMib: 20_000 }],
    ['heap-limit', { heapMib: 600, files: { '/proc/meminfo': 'MemTotal: 524288 kB\n' } }],
    ['heap-limit', { heapMib: 600, files: { '/proc/meminfo': 'MemTotal: 524289 kB\n' } }],
    ['heap-limit', { heapMib: 2048, files: { '/proc/meminfo': 'MemTotal: 1000003 kB\n' } }],
    ['heap-for-connections', { heapMib: 128 }],
    ['heap-for-connections', { options: { limits: { maxConnections: 131_073 } } }],
    ['heap-for-connections', { options: { limits: { maxConnections: 1_000_001 } } }],
  ])('names a size of the old space that solves %s, with the young generation that V8 adds', (id, given) => {
    const { severity, remedy } = find(id, given);
    const [, oldSpaceMib = ''] = /--max-old-space-size=(\d+)/.exec(remedy)!;
    expect([severity === 'ok', Number(oldSpaceMib) > 0]).toEqual([false, true]);
    expect(find(id, { ...given, heapMib: Number(oldSpaceMib) + 48 }).severity).toBe('ok');
  });

  it('never shows a token', () => {
    const tokens = [{ ...TOKEN, token: 'hush' }];
    expect(JSON.stringify(findingsOf({ options: { admin: { tokens } } }))).not.toContain('hush');
  });

  it.each<[string, Case, Severity, RegExp]>([
    ['a server without Unix sockets', { unixPeerSeen: false }, 'ok', /lacks "unix:"/],
    ['no running node', {}, 'ok', /lacks "unix:"/],
    ['trust', { unixPeerSeen: true, options: { trustedProxies: ['unix:'] } }, 'ok', /names "unix:"/],
    ['no trust', { unixPeerSeen: true }, 'warn', /limits by address are off/],
    ['no trust and limits', { unixPeerSeen: true, options: { limits: { maxPerIp: 5 } } }, 'error', /are on/],
  ])('checks Unix sockets: %s', (_what, given, severity, evidence) => {
    expect(find('unix-socket', given)).toMatchObject({ severity, evidence: expect.stringMatching(evidence) });
  });

  const close = { limits: { refuseWith: 'close' as const } };
  it.each<[string, Case, Severity, RegExp]>([
    ['by HTTP', {}, 'ok', /is http/],
    ['by a code behind known proxies', { options: close }, 'ok', /503/],
    ['by a code, without a proxy', { options: { ...close, trustedProxies: [] } }, 'info', /trustedProxies is empty$/],
    [
      'by a code, of clients of a proxy',
      { options: { ...close, trustedProxies: [] }, proxyHeaderSeen: true },
      'warn',
      /a proxy was seen/,
    ],
    [
      'by a code, of clients of a Unix socket',
      { options: { ...close, trustedProxies: [] }, unixPeerSeen: true },
      'warn',
      /a proxy was seen/,
    ],
  ])('checks refusals: %s', (_what, given, severity, evidence) => {
    expect(find('refuse-with', given)).toMatchObject({ severity, evidence: expect.stringMatching(evidence) });
  });
});
