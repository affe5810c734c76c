/** One server-sent event. `data` is one line: JSON has no line breaks. */
export function frame(type: string, id: string, data: string): string {
  return `event: ${type}\nid: ${id}\ndata: ${data}\n\n`;
}

/** A comment, which readers ignore, and proxies count as activity. */
export const COMMENT = ':\n\n';

/** The time after which a reader should connect again. */
export function retryAfter(ms: number): string {
  return `retry: ${ms}\n\n`;
}
