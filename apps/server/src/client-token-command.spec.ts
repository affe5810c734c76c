import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { clientTokenStep } from './client-token-command.js';
import { ClientTokens, readClientTokens } from './client-tokens.js';
import { RefusalLog } from './refusal-log.js';

const JWT_SECRET = 'a "secret" with $HOME, `quotes` and \\ in 32 bytes';

function settingsOf(variables: Record<string, string>) {
  const settings = readClientTokens({ JWT_SECRET, ...variables }, []);
  if (settings === null) throw new Error('the settings are refused');
  return settings;
}

function tokenFrom(command: string, env: Record<string, string>): string {
  const script = `${command}; printf %s "$CLIENT_TOKEN"`;
  return execFileSync('sh', ['-c', script], { encoding: 'utf8', env: { PATH: process.env['PATH'], ...env } });
}

describe('the step that makes a client token', () => {
  it.each<[string, Record<string, string>]>([
    ['no rules', {}],
    ['an issuer and audiences', { JWT_ISSUER: 'https://id.example.com/', JWT_AUDIENCE: 'api://chat,other' }],
    ['texts that a shell would interpret', { JWT_ISSUER: `it's "$HOME" \`id\` \\ !`, JWT_AUDIENCE: 'ä $(id)' }],
    ['a type and an age', { JWT_TYPE: 'at+jwt', JWT_MAX_AGE_S: '60' }],
  ])('is accepted with %s', async (_, variables) => {
    const settings = settingsOf(variables);
    const step = clientTokenStep(settings);
    expect(step?.command).not.toContain(JWT_SECRET);
    const token = tokenFrom(step?.command ?? '', { JWT_SECRET });
    const refusals: string[] = [];
    const log = new RefusalLog(line => refusals.push(line));
    expect(await new ClientTokens(settings, log).identityOf(token)).toMatchObject({
      userId: 'me',
      labels: { plan: 'free' },
    });
    expect(refusals).toEqual([]);
  });

  it('reads the secret from JWT_SECRET_FILE', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'client-token-'));
    try {
      const JWT_SECRET_FILE = join(folder, 'secret');
      writeFileSync(JWT_SECRET_FILE, `${JWT_SECRET}\n`);
      const settings = settingsOf({});
      const token = tokenFrom(clientTokenStep(settings)?.command ?? '', { JWT_SECRET_FILE });
      expect(await new ClientTokens(settings).identityOf(token)).toMatchObject({ userId: 'me' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('is left out where clients need no token, and names the issuer where only it has the key', () => {
    expect(clientTokenStep(null)).toBeNull();
    expect(clientTokenStep(settingsOf({ ALLOW_ANONYMOUS: 'true' }))).toBeNull();
    const issued = clientTokenStep({ ...settingsOf({}), key: { jwks: { keys: [] } } });
    expect(issued).toMatchObject({ title: expect.stringContaining('issuer'), command: "export CLIENT_TOKEN='<JWT>'" });
  });
});
