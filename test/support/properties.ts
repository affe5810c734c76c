import * as fc from 'fast-check';

/**
 * Properties are tried with the same values in every run, so that a failure follows from a change and not from chance.
 * PROPERTY_SEED=random PROPERTY_RUNS=10000 draws others, in more runs; a failure is reported with its seed.
 */
const { PROPERTY_SEED: seed = '1', PROPERTY_RUNS: runs } = process.env;

fc.configureGlobal({
  ...(seed !== 'random' && { seed: Number(seed) }),
  ...(runs !== undefined && { numRuns: Number(runs) }),
});
