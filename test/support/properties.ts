import * as fc from 'fast-check';

/**
 * Properties are tried with the same values in every run, so that a run says something of the change and not of the dice.
 * PROPERTY_SEED=random PROPERTY_RUNS=10000 rolls them, longer; what is found then is told with its seed.
 */
const { PROPERTY_SEED: seed = '1', PROPERTY_RUNS: runs } = process.env;

fc.configureGlobal({
  ...(seed !== 'random' && { seed: Number(seed) }),
  ...(runs !== undefined && { numRuns: Number(runs) }),
});
