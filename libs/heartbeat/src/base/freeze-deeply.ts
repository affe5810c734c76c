/** Freezes plain objects and lists all the way down; instances of classes and functions belong to whoever gave them. */
export function freezeDeeply<T>(value: T): T {
  if (Array.isArray(value) || isPlainObject(value)) Object.values(Object.freeze(value)).forEach(freezeDeeply);
  return value;
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
