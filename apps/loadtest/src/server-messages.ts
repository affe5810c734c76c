/** The two messages of the server's own protocol that the tool speaks: `echo` and the application heartbeat. */
export type ServerMessage =
  { readonly event: 'echo'; readonly sentAt: number } | { readonly event: 'heartbeat'; readonly timing: ServerTiming };

/** The timing in force, from the server's heartbeat. */
export interface ServerTiming {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export const HEARTBEAT_TEXT = '{"event":"heartbeat","data":{"sentAt":0}}';

export function echoText(sentAt: number): string {
  return `{"event":"echo","data":{"sentAt":${sentAt}}}`;
}

/** `null` for everything else that a server may send, a broadcast for example. */
export function readServerMessage(text: string): ServerMessage | null {
  const message = parseObject(text);
  const data = asObject(message?.['data']);
  if (data === null) return null;
  const { sentAt, intervalMs, timeoutMs } = data;
  if (message?.['event'] === 'echo' && typeof sentAt === 'number') return { event: 'echo', sentAt };
  if (message?.['event'] !== 'heartbeat' || !isDuration(intervalMs) || !isDuration(timeoutMs)) return null;
  return { event: 'heartbeat', timing: { intervalMs, timeoutMs } };
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return null;
  }
}

function asObject(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
}

function isDuration(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}
