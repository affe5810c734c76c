import { existsSync, readFileSync } from 'node:fs';

import type { Problem } from 'nestjs-heartbeat';

import type { Variables } from './variable-names.js';

/** Variables whose value may stand in a file instead, as secrets of containers do. */
const IN_FILES = ['ADMIN_TOKEN', 'JWT_SECRET'] as const;

/**
 * The variables, with the contents of ADMIN_TOKEN_FILE and JWT_SECRET_FILE as ADMIN_TOKEN and JWT_SECRET. One line ending at the
 * end of a file does not belong to its content. Problems are added to `problems`, never with the content.
 */
export function withSecretFiles(given: Variables, problems: Problem[]): Variables {
  const read = IN_FILES.flatMap((name): [string, string][] => {
    const content = contentFor(name, given, problems);
    return content === null ? [] : [[name, content]];
  });
  for (const name of IN_FILES) {
    const value = given[name] ?? '';
    if (!value.startsWith('/') || !existsSync(value)) continue;
    const rule = 'is the path of a file, and must be the value itself';
    problems.push({ key: name, value: '(hidden)', rule, remedy: `set ${name}_FILE to the path instead` });
  }
  return { ...given, ...Object.fromEntries(read) };
}

function contentFor(name: string, given: Variables, problems: Problem[]): string | null {
  const key = `${name}_FILE`;
  const path = given[key];
  if (path === undefined) return null;
  if (given[name] !== undefined) {
    problems.push({ key, value: path, rule: `must not be set beside ${name}`, remedy: 'unset one of the two' });
    return null;
  }
  try {
    const content = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
    if (content.trim() !== '') return content;
    problems.push({ key, value: path, rule: 'must name a file that is not empty', remedy: 'write the secret into it' });
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    const rule = `must name a file that can be read (${code})`;
    problems.push({ key, value: path, rule, remedy: 'correct the path, or the permissions of the file' });
  }
  return null;
}
