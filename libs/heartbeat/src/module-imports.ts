import { HeartbeatError } from './base/heartbeat.error.js';

/** The part of a module in Nest's container that is read. */
export interface ImportedModule {
  readonly metatype: unknown;
  readonly name: string;
  readonly imports: ReadonlySet<unknown>;
  readonly providers: ReadonlyMap<unknown, unknown>;
}

const REMEDY =
  'Import it once, in the root module, with `isGlobal: true`. Or keep one object, `export const heartbeat = HeartbeatModule.forRoot({ … })`, ' +
  'and write `imports: [heartbeat]` in each module that injects its services';

/**
 * Checks that an application imports exactly one module with options. Each call of `forRoot()` creates a separate module with its own
 * registry, heartbeat and drain, and the class alone has no options.
 * @param optionsToken The provider that `forRoot` and `forRootAsync` add.
 * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` with the names of the importing modules.
 */
export function assertImportedOnce(
  container: Iterable<ImportedModule>,
  metatype: unknown,
  optionsToken: string | symbol,
): void {
  const modules = [...container];
  const found = modules.filter(module => module.metatype === metatype);
  const bare = found.filter(({ providers }) => !providers.has(optionsToken));
  if (bare.length > 0) {
    const importers = importersOf(bare, modules);
    refuse(`is imported as a class by ${importers}`, 'must be imported as HeartbeatModule.forRoot() or forRootAsync()');
  }
  if (found.length > 1) {
    const importers = importersOf(found, modules);
    refuse(`is imported ${times(found.length)}, by ${importers}`, 'must come from one call of forRoot()');
  }
}

function refuse(value: string, rule: string): never {
  const problems = [{ key: 'HeartbeatModule', value, rule, remedy: REMEDY }];
  throw new HeartbeatError('HEARTBEAT_BAD_OPTIONS', `HeartbeatModule ${value} but ${rule}. ${REMEDY}.`, problems);
}

function importersOf(wanted: readonly ImportedModule[], modules: readonly ImportedModule[]): string {
  const names = wanted.map(
    one => modules.find(({ imports }) => imports.has(one))?.name ?? 'the root of the application',
  );
  return names.join(' and by ');
}

function times(count: number): string {
  return count === 2 ? 'twice' : `${count} times`;
}
