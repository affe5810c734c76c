/** Freezes plain objects and arrays recursively. Instances of classes and functions belong to the caller and stay as they are. */
export function freezeDeeply<T>(value: T): T {
  if (Array.isArray(value) || isPlainObject(value)) Object.values(Object.freeze(value)).forEach(freezeDeeply);
  return value;
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
