/** Bounds of the details of an audit entry. */
const MAX_TEXT = 1000;
const MAX_ITEMS = 20;
const MAX_DEPTH = 4;
/** Maximum length of one of the details as JSON. */
const MAX_JSON = 2000;
/** Characters of a secret that remain: enough to recognise it, too few to use it. */
const SECRET_START = 6;
const SECRET = /token|secret|password|authorization|cookie/i;

export type AuditDetails = Readonly<Record<string, unknown>>;

/**
 * The parameters of a change, or its state before or after, as the audit trail keeps them. Long texts and lists are cut, and values of keys
 * that name a secret (`token`) are shortened to their first characters. Never throws.
 */
export function boundedDetails(details: AuditDetails): AuditDetails {
  try {
    const bounded = boundedObject(details, 0);
    const json = JSON.stringify(bounded);
    return json.length <= MAX_JSON ? bounded : { cut: shortened(json, MAX_TEXT) };
  } catch {
    // A getter or a `toJSON` of the application failed.
    return { cut: 'unreadable' };
  }
}

/** A text with at most `max` characters; a longer one ends with the number of those that are missing. */
export function shortened(text: string, max = MAX_TEXT): string {
  return text.length <= max ? text : `${text.slice(0, max)}… (${text.length - max} more)`;
}

function boundedObject(object: object, depth: number): AuditDetails {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  const shown = entries.slice(0, MAX_ITEMS).map(([key, value]: [string, unknown]): [string, unknown] => {
    const isSecret = SECRET.test(key) && typeof value === 'string';
    return [shortened(key, 100), isSecret ? `${value.slice(0, SECRET_START)}…` : boundedValue(value, depth + 1)];
  });
  const more = entries.length - shown.length;
  return Object.fromEntries(more > 0 ? [...shown, ['…', `${more} more`]] : shown);
}

function boundedValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return shortened(value);
  if (typeof value === 'bigint' || typeof value === 'symbol' || typeof value === 'function') return typeof value;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (depth > MAX_DEPTH) return '…';
  if (!Array.isArray(value)) return boundedObject(value, depth);
  const shown = value.slice(0, MAX_ITEMS).map(item => boundedValue(item, depth + 1));
  return value.length > MAX_ITEMS ? [...shown, `… (${value.length - MAX_ITEMS} more)`] : shown;
}
