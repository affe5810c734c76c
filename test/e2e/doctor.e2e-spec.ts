import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Finding } from 'nestjs-heartbeat/tooling';

import { AdminApp, PLATFORMS, PROBLEM, TOKENS } from '../support/servers/admin-app.js';
import { ServerProcess } from '../support/servers/server-process.js';

const DOCTOR = 'dist/apps/server/src/doctor.js';

afterEach(() => ServerProcess.stopAll());

/** The output of `npm run doctor` in this environment. */
async function doctor(env: Record<string, string> = {}) {
  const run = ServerProcess.spawn({ entry: DOCTOR, env });
  const { code } = await run.exited;
  return { code, stdout: run.stdout, stderr: run.stderr };
}

describe.each(PLATFORMS)('GET /admin/doctor on %s', (_, platform) => {
  let admin: AdminApp;
  beforeAll(async () => {
    admin = await AdminApp.start(platform, { admin: { tokens: TOKENS }, limits: { maxPerIp: 100 } });
  });
  afterAll(() => AdminApp.closeAll());

  it('returns findings about this node and this machine to a viewer, most severe first', async () => {
    const { status, headers, json } = await admin.ask('doctor', 'see');
    expect(status).toBe(200);
    expect(headers['cache-control']).toBe('no-store');
    const findings = json.findings as Finding[];
    for (const finding of findings) {
      expect(Object.keys(finding).toSorted()).toEqual(['evidence', 'id', 'remedy', 'severity', 'title', 'why']);
    }
    const order = findings.map(({ severity }) => ['error', 'warn', 'info', 'ok'].indexOf(severity));
    expect(order).toEqual(order.toSorted((one, next) => one - next));
    expect(findings.find(({ id }) => id === 'open-files')?.evidence).toMatch(/^(\d+|unlimited) files may be open/);
    expect(findings.find(({ id }) => id === 'ws-version')?.severity).toBe('ok');
  });

  it('refuses all others', async () => {
    for (const token of [null, 'wrong']) {
      const { status, headers, json } = await admin.ask('doctor', token);
      expect(status).toBe(401);
      expect(headers['content-type']).toMatch(PROBLEM);
      expect(json.findings).toBeUndefined();
    }
  });

  it('reports a proxy that is not configured, after its first request', async () => {
    const severity = async () => {
      const { findings } = (await admin.ask('doctor')).json as { findings: Finding[] };
      return findings.find(({ id }) => id === 'proxy-header')?.severity;
    };
    expect(await severity()).toBe('ok');
    await admin.open('/ws', { headers: { 'X-Forwarded-For': '192.0.2.1' } });
    expect(await severity()).toBe('error');
  });
});

describe('npm run doctor', () => {
  it('ends with 0 where nothing would break, names options as variables, and shows no token', async () => {
    const { code, stdout, stderr } = await doctor({ ADMIN_TOKEN: 'geheim-geheim-geheim' });
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^ok +open-files +Open files: .*LIMITS_MAX_CONNECTIONS is 10000$/m);
    expect(stdout).toMatch(/^ok +admin-tokens +Admin tokens: /m);
    expect(stdout).not.toContain('geheim');
    expect(stdout).toMatch(/\n0 error, \d+ warn, \d+ info, \d+ ok\n$/);
    expect(code).toBe(0);
  });

  it('exits with 1 for an error, and has the remedy', async () => {
    const { code, stdout } = await doctor({ LIMITS_MAX_CONNECTIONS: '10000000' });
    expect(stdout).toMatch(/^error +open-files +Open files: .*\n +why: .*\n +do: .*LIMITS_MAX_CONNECTIONS to \d+\.$/m);
    expect(code).toBe(1);
  });

  it('refuses what the server would refuse, in the same words', async () => {
    const { code, stdout, stderr } = await doctor({ HEARTBEAT_INTERVAL_MS: 'soon' });
    expect(stderr).toContain('HEARTBEAT_INTERVAL_MS is "soon" but must be');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });

  it('finds anonymous clients where other machines reach the server', async () => {
    const { code, stdout } = await doctor({ HOST: '0.0.0.0' });
    expect(stdout).toMatch(
      /^warn +anonymous-clients +Identity of clients: .*JWKS_FILE is not set; the server listens on 0\.0\.0\.0$/m,
    );
    expect(code).toBe(0);
    const JWT_SECRET = 'a secret of at least thirty-two bytes';
    expect((await doctor({ HOST: '0.0.0.0', JWT_SECRET })).stdout).toMatch(
      /^ok +anonymous-clients +Identity of clients: /m,
    );
    const open = await doctor({ HOST: '0.0.0.0', JWT_SECRET, ALLOW_ANONYMOUS: 'true' });
    expect(open.stdout).toMatch(
      /^warn +anonymous-clients +Identity of clients: anonymous clients are admitted .*\n.*\n +do: .*ALLOW_ANONYMOUS/m,
    );
  });

  it('finds a supervisor that kills before the drain has ended', async () => {
    const { stdout } = await doctor({ pm_id: '0' });
    expect(stdout).toMatch(
      /^warn +drain-deadline +Drain against .*PM2 \(pm_id is set\) kills the process after 1\.6 s by default$/m,
    );
  });
});
