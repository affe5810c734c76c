import { type DynamicModule, Module } from '@nestjs/common';
import { HEARTBEAT_OPTION_VARIABLES } from 'nestjs-heartbeat/tooling';

import { OPTION_VARIABLES } from './option-variables.js';
import type { Variables } from './variable-names.js';

/** Variables of options that are built from several, the deciding one first. */
const BUILT: Readonly<Record<string, readonly string[]>> = {
  'admin.tokens': ['ADMIN_TOKEN', 'ADMIN_TOKEN_FILE', 'ADMIN_VIEWER_TOKEN'],
  authenticate: ['JWT_SECRET', 'JWT_SECRET_FILE', 'JWKS_FILE'],
};

/** The variables that set options, by option. */
export function sourcesOf(given: Variables): Readonly<Record<string, string>> {
  const plain = OPTION_VARIABLES.map(({ path, name }) => [path.join('.'), [name]] as const);
  const named = [...plain, ...Object.entries(BUILT)].flatMap(([option, names]) => {
    const set = names.find(name => given[name] !== undefined);
    return set === undefined ? [] : [[option, set] as const];
  });
  return Object.fromEntries(named);
}

/** States which variables of the environment set the options, for `GET config`. */
@Module({})
export class OptionSources {
  static of(variables: Readonly<Record<string, string>>): DynamicModule {
    const provider = { provide: HEARTBEAT_OPTION_VARIABLES, useValue: variables };
    return { module: OptionSources, global: true, providers: [provider], exports: [provider] };
  }
}
