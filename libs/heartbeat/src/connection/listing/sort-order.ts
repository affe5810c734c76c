export type SortOrder = 'asc' | 'desc';

/** Compares two keys: negative where the left one is first in a listing. */
export function compareKeys(left: number | null, right: number | null, order: SortOrder): number {
  if (left === right) return 0;
  if (left === null) return 1;
  if (right === null) return -1;
  return order === 'asc' ? left - right : right - left;
}
