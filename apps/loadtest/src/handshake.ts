import { createHash } from 'node:crypto';

/** RFC 6455 section 1.3. */
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const LONGEST_HEAD = 16 * 1024;
const LONGEST_BODY = 64 * 1024;

/** The state of the server's response to the upgrade so far. */
export type UpgradeAnswer =
  | { readonly kind: 'unfinished' }
  /** `rest` are the first bytes of frames, which may come in the same packet. */
  | { readonly kind: 'accepted'; readonly rest: Buffer }
  /** `reason` is the status and, of a problem document, the end of its `type`: `503 at-capacity`. */
  | { readonly kind: 'refused'; readonly reason: string };

export function upgradeRequest(hostHeader: string, path: string, key: string): string {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: ${hostHeader}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${key}`,
    'User-Agent: heartbeat-loadtest',
    '\r\n',
  ].join('\r\n');
}

/** The only `Sec-WebSocket-Accept` that proves the server read our key. */
export function acceptFor(key: string): string {
  return createHash('sha1')
    .update(key + ACCEPT_GUID)
    .digest('base64');
}

/** Judges all bytes that came so far; `ended` when no more will come. */
export function readAnswer(bytes: Buffer, key: string, ended: boolean): UpgradeAnswer {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd === -1) {
    if (ended) return { kind: 'refused', reason: 'closed without an answer' };
    return bytes.length > LONGEST_HEAD ? { kind: 'refused', reason: 'not HTTP' } : { kind: 'unfinished' };
  }
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, headEnd).split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1];
  if (status === undefined) return { kind: 'refused', reason: 'not HTTP' };

  const headers = new Map(lines.map(readHeaderLine));
  const body = bytes.subarray(headEnd + 4);
  if (status === '101') return readSwitch(headers, body, key);

  const length = Number(headers.get('content-length') ?? Number.POSITIVE_INFINITY);
  if (!ended && body.length < Math.min(length, LONGEST_BODY)) return { kind: 'unfinished' };
  return { kind: 'refused', reason: [status, problemType(body)].filter(Boolean).join(' ') };
}

function readSwitch(headers: Map<string, string>, rest: Buffer, key: string): UpgradeAnswer {
  if (headers.get('upgrade')?.toLowerCase() !== 'websocket') {
    return { kind: 'refused', reason: '101 without Upgrade: websocket' };
  }
  if (headers.get('sec-websocket-accept') !== acceptFor(key)) {
    return { kind: 'refused', reason: '101 with a wrong Sec-WebSocket-Accept' };
  }
  if (headers.has('sec-websocket-extensions')) {
    return { kind: 'refused', reason: '101 with an extension that was not requested' };
  }
  return { kind: 'accepted', rest };
}

function readHeaderLine(line: string): [name: string, value: string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
}

/** Found by pattern and not by `JSON.parse`, because the body may be chunked or cut off. */
function problemType(body: Buffer): string {
  const type = /"type"\s*:\s*"([^"]*)"/.exec(body.toString('utf8'))?.[1] ?? '';
  return type.split(/[/#:]/).at(-1) ?? '';
}
