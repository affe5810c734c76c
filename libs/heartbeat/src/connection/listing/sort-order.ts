export type SortOrder = 'asc' | 'desc';

/** Of two keys: negative where the left one comes first in a listing. */
export function compareKeys(left: number | null, right: number | null, order: SortOrder): number {
  if (left === right) return 0;
  if (left === null) return 1;
  if (right === null) return -1;
  return order === 'asc' ? left - right : right - left;
}
