/**
 * One node of the reference server under PM2, after `npm run build`:
 *
 *   ADMIN_TOKEN=… pm2 start deploy/ecosystem.config.cjs
 *
 * PM2 sends SIGINT and, by default, SIGKILL 1.6 s later, which would cut a drain.
 */
module.exports = {
  apps: [
    {
      name: 'heartbeat',
      cwd: `${__dirname}/..`,
      script: 'dist/apps/server/src/main.js',
      node_args: '--enable-source-maps',
      // One process: WORKERS shares the port among several, with REDIS_URL.
      exec_mode: 'fork',
      instances: 1,
      // Above the drain's deadline (DRAIN_DEADLINE_MS, 25 s) and one second.
      kill_timeout: 30_000,
      env: {
        NODE_ENV: 'production',
        LOG_FORMAT: 'json',
        TERMINATION_GRACE_PERIOD_SECONDS: '30',
      },
    },
  ],
};
