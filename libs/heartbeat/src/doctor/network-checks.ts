import { type Check, detectionMs, longestIntervalMs } from './node-facts.js';
import { ok, finding, unreadable } from './finding.js';
import { numberIn, numbersIn, seconds } from './system-reader.js';

/** Files that a server has open beside its connections: listeners, logs, databases, HTTP requests. */
const OTHER_FILES = 256;
/** The backlog that Node requests from the kernel when it listens. */
const NODE_BACKLOG = 511;
/** Node's settings for keep-alive probes, which override the kernel's defaults. */
const PROBES = 10;
const PROBE_INTERVAL_S = 1;
/** A connection through a proxy on the same machine has two entries: from the client, and from the proxy. */
const ENTRIES_PER_CONNECTION = 2;

const LIMITS = '/proc/self/limits';
const SOMAXCONN = '/proc/sys/net/core/somaxconn';
const PORT_RANGE = '/proc/sys/net/ipv4/ip_local_port_range';
const KEEPALIVE = '/proc/sys/net/ipv4/tcp_keepalive_';
const CONNTRACK = '/proc/sys/net/netfilter/nf_conntrack_';

export const openFiles: Check = ({ options, system }) => {
  const subject = {
    id: 'open-files',
    title: 'Open files',
    why: 'Every connection is an open file. At the limit the process accepts no further connection (EMFILE), and new clients wait or are cut.',
  };
  const word = /^Max open files\s+(\d+|unlimited)/m.exec(system.file(LIMITS) ?? '')?.[1];
  if (word === undefined) return unreadable(subject, LIMITS, 'Check `ulimit -n` where the server is started.');
  const { maxConnections } = options.limits;
  const limit = word === 'unlimited' ? Infinity : Number(word);
  const needed = maxConnections + OTHER_FILES;
  const evidence = `${word} files may be open (${LIMITS}), limits.maxConnections is ${maxConnections}`;
  if (limit >= needed) return ok(subject, evidence);
  const remedy =
    `Allow ${needed}: \`ulimit -n ${needed}\` before the start, \`LimitNOFILE=${needed}\` for systemd, ` +
    `\`--ulimit nofile=${needed}:${needed}\` for docker${limit > OTHER_FILES ? `; or lower limits.maxConnections to ${limit - OTHER_FILES}` : ''}.`;
  return finding(limit < maxConnections ? 'error' : 'warn', subject, evidence, remedy);
};

export const listenBacklog: Check = ({ system }) => {
  const subject = {
    id: 'listen-backlog',
    title: 'Backlog of the listening socket',
    why: 'When all clients reconnect at once after a deploy, handshakes beyond the backlog are dropped, and each client waits for a second or more before its kernel tries again.',
  };
  const somaxconn = numberIn(system.file, SOMAXCONN);
  if (somaxconn === null) return unreadable(subject, SOMAXCONN);
  const evidence = `net.core.somaxconn is ${somaxconn}, Node requests ${NODE_BACKLOG}`;
  if (somaxconn >= NODE_BACKLOG) return ok(subject, evidence);
  return finding('warn', subject, evidence, '`sysctl -w net.core.somaxconn=4096`, in a container as its own sysctl.');
};

export const ephemeralPorts: Check = ({ options, system }) => {
  const subject = {
    id: 'ephemeral-ports',
    title: 'Ports for a proxy on this machine',
    why: 'A proxy needs a local port for each connection to one address and port of this server. Without a free one it answers 502. If the proxy runs elsewhere, its own range counts.',
  };
  const range = numbersIn(system.file, PORT_RANGE);
  const [first, last] = range ?? [];
  if (first === undefined || last === undefined || last < first) return unreadable(subject, PORT_RANGE);
  const { maxConnections } = options.limits;
  const ports = last - first + 1;
  const evidence = `net.ipv4.ip_local_port_range is ${first} to ${last}, which is ${ports} ${ports === 1 ? 'port' : 'ports'}; limits.maxConnections is ${maxConnections}`;
  if (ports >= maxConnections) return ok(subject, evidence);
  const remedy =
    'On the machine of the proxy: `sysctl -w net.ipv4.ip_local_port_range="1024 65535"`; for more than 64,000, several addresses for this server or the proxy.';
  return finding('warn', subject, evidence, remedy);
};

export const tcpKeepAlive: Check = ({ options, system }) => {
  const subject = {
    id: 'tcp-keepalive',
    title: 'TCP keep-alive',
    why: 'It supplements the heartbeat and never replaces it: it sees a dead line, not a dead client, and nothing while data waits to be acknowledged.',
  };
  const [time, interval, probes] = ['time', 'intvl', 'probes'].map(name => numberIn(system.file, KEEPALIVE + name));
  const kernel =
    time == null || interval == null || probes == null
      ? `${KEEPALIVE}* cannot be read here`
      : `the kernel's own are ${time} s and ${probes} probes ${interval} s apart`;
  const { keepAlive, keepAliveDelayMs } = options.tcp;
  const found = detectionMs(options.heartbeat);
  if (!keepAlive) {
    const evidence = `tcp.keepAlive is false, ${kernel}; the heartbeat finds a dead client within ${seconds(found)}`;
    return finding('info', subject, evidence, 'Leave it off, or set tcp.keepAlive to true.');
  }
  const afterMs = keepAliveDelayMs + PROBES * PROBE_INTERVAL_S * 1000;
  const evidence =
    `probes after ${seconds(keepAliveDelayMs)} without data, ${PROBES} of them ${PROBE_INTERVAL_S} s apart (Node's), so a dead line is found ` +
    `after ${seconds(afterMs)}; ${kernel}; the heartbeat finds a dead client within ${seconds(found)}`;
  return ok(subject, evidence);
};

export const conntrackTimeout: Check = ({ options, system }) => {
  const subject = {
    id: 'conntrack-timeout',
    title: 'Timeout of the firewall for silent connections',
    why: 'A connection that was silent for longer is forgotten: what is sent on it later vanishes, or is answered by a reset.',
  };
  const path = `${CONNTRACK}tcp_timeout_established`;
  const timeout = numberIn(system.file, path);
  if (timeout === null) return unreadable(subject, path, CHECK_OTHER_MACHINES);
  const longestMs = longestIntervalMs(options.heartbeat);
  const evidence = `nf_conntrack_tcp_timeout_established is ${timeout} s, an idle connection is pinged at least every ${seconds(longestMs)}`;
  if (timeout * 1000 > longestMs) return ok(subject, evidence);
  const { adaptive, minIntervalMs } = options.heartbeat;
  const interval = adaptive ? 'heartbeat.maxIntervalMs' : 'heartbeat.intervalMs';
  const lower = timeout * 1000 > minIntervalMs ? `, or lower ${interval} below ${timeout * 1000}` : '';
  const remedy = `\`sysctl -w net.netfilter.nf_conntrack_tcp_timeout_established=86400\`${lower}.`;
  return finding('error', subject, evidence, remedy);
};

export const conntrackTable: Check = ({ options, system }) => {
  const subject = {
    id: 'conntrack-table',
    title: 'Size of the firewall’s table of connections',
    why: 'When the table is full the kernel drops packets of new connections of the whole machine ("nf_conntrack: table full").',
  };
  const max = numberIn(system.file, `${CONNTRACK}max`);
  const count = numberIn(system.file, `${CONNTRACK}count`);
  if (max === null) return unreadable(subject, `${CONNTRACK}max`, CHECK_OTHER_MACHINES);
  const { maxConnections } = options.limits;
  const needed = maxConnections * ENTRIES_PER_CONNECTION;
  const evidence = `nf_conntrack_max is ${max}, ${count ?? 'an unknown number'} are in use now; limits.maxConnections is ${maxConnections}, each up to ${ENTRIES_PER_CONNECTION} entries`;
  if (max >= needed) return ok(subject, evidence);
  const severity = max < maxConnections ? 'error' : 'warn';
  return finding(severity, subject, evidence, `\`sysctl -w net.netfilter.nf_conntrack_max=${needed * 2}\`.`);
};

const CHECK_OTHER_MACHINES =
  'Nothing to do here; on machines in between that track connections (NAT, firewalls, cloud balancers), check theirs.';
