/** Options with one value, at a path such as `heartbeat.intervalMs`. */
export function optionsWith(path: string, value: unknown): unknown {
  return path.split('.').reduceRight((inner, key) => ({ [key]: inner }), value);
}

/** A valid token of an operator. */
export const operator = { token: 'S3cret-value', role: 'operator', name: 'ann' } as const;
