/**
 * The order of test files where jest remembers no run, as in a fresh clone: those that take longest begin, so that no worker is left
 * with one of them at the end.
 */

/** Seconds on two idle cores, of the files that take long. The others follow by their size; a value that is out of date costs little. */
const SECONDS = {
  'hostile-input': 90,
  bench: 75,
  'drain-signals': 70,
  'redis-kinds': 65,
  metrics: 60,
  'reference-server': 60,
  pack: 50,
  'admission-limits': 50,
  outage: 45,
  'client-token-rules': 45,
  'hostile-readers': 44,
  liveness: 39,
  'liveness-stall': 39,
  rules: 34,
  'redis-line': 32,
  listing: 30,
  guests: 29,
  churn: 27,
  'client-tokens': 28,
  'heap-snapshot': 27,
  'silent-sockets': 26,
  'bad-requests': 25,
  workers: 25,
  'hostile-old-ws': 23,
  'hostile-small-messages': 21,
  'node-death': 21,
  'bad-messages': 20,
  'admission-requests': 20,
  'redis-cost': 20,
};

export default class LongestFirst {
  sort(tests) {
    const seconds = ({ path }) => Object.entries(SECONDS).find(([name]) => path.includes(`/${name}.`))?.[1] ?? 0;
    const size = test => test.context.hasteFS.getSize(test.path) ?? 0;
    return tests.toSorted((one, other) => seconds(other) - seconds(one) || size(other) - size(one));
  }

  /** Nothing is remembered. */
  cacheResults() {}
}
