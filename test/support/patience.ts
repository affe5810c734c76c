import { jest } from '@jest/globals';

// Waiting for real seconds is what these tests are for, and a busy machine makes a wait up to six times as long (until.ts); jest reads
// `testTimeout` for all its projects together or not at all.
jest.setTimeout(120_000);
