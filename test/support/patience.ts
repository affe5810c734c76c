import { jest } from '@jest/globals';

// Waiting for real seconds is what these tests are for; jest reads `testTimeout` for all its projects together or not at all.
jest.setTimeout(30_000);
