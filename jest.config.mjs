import { readFileSync } from 'node:fs';

/** Path aliases come from tsconfig.json, so they are written down once. */
const { compilerOptions } = JSON.parse(readFileSync(new URL('./tsconfig.json', import.meta.url), 'utf8'));
const aliases = Object.fromEntries(
  Object.entries(compilerOptions.paths ?? {}).map(([alias, [target]]) => [
    `^${alias.replace(/[.*+?^${}()|[\]\\]/g, c => (c === '*' ? '(.*)' : `\\${c}`))}$`,
    target.replace(/^\.\//, '<rootDir>/').replace('*', '$1'),
  ]),
);

const shared = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/libs/[^/]+/dist/', '<rootDir>/.stryker-tmp/'],
  moduleNameMapper: {
    ...aliases,
    // TypeScript sources import each other with the emitted extension.
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        jsc: {
          target: 'es2023',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: true },
          keepClassNames: true,
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
};

export default {
  projects: [
    {
      ...shared,
      displayName: 'unit',
      setupFiles: ['<rootDir>/test/support/properties.ts'],
      testMatch: [
        '<rootDir>/{apps,libs}/**/*.spec.ts',
        '<rootDir>/test/*.spec.ts',
        '<rootDir>/test/support/**/*.spec.ts',
      ],
    },
    { ...shared, displayName: 'e2e', testMatch: ['<rootDir>/test/e2e/**/*.e2e-spec.ts'] },
    { ...shared, displayName: 'cluster', testMatch: ['<rootDir>/test/cluster/**/*{.,-}spec.ts'] },
    { ...shared, displayName: 'browser', testMatch: ['<rootDir>/test/browser/**/*{.,-}spec.ts'] },
  ],
  maxWorkers: 2,
  // A busy machine must not fail a test; each bound of time is an assertion of its own.
  testTimeout: 120_000,
  // ES modules evaluated through node:vm are never collected (nodejs/node#59118), about 10-20 MB
  // per Nest spec file, so a worker is replaced once it grows past this.
  workerIdleMemoryLimit: '512MB',
  coverageProvider: 'babel',
  coverageDirectory: 'coverage',
  collectCoverageFrom: ['{apps,libs}/*/src/**/*.ts', '!**/*.spec.ts', '!**/index.ts', '!apps/*/src/main.ts'],
  coverageReporters: ['text', 'lcov', 'json-summary'],
};
