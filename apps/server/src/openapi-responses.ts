import type { OpenAPIObject } from '@nestjs/swagger';

import { healthExample, KICK_EXAMPLES, problemExample } from './openapi-examples.js';
import { ref, type Schema, type SCHEMAS } from './openapi-schemas.js';

type Responses = NonNullable<OpenAPIObject['paths'][string]['get']>['responses'];

/** The description of a route: its purpose, its response, its problems. */
export interface OperationText {
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  readonly answer: keyof typeof SCHEMAS;
  /** The media type of the response. Default: `application/json`. */
  readonly type?: string;
  /** The status of success. Default: 200. */
  readonly status?: number;
  /** Whether 202 is answered where a node did not say in time that it has done it. */
  readonly unconfirmed?: true;
  /** Whether 202 is answered where kicks have begun. */
  readonly started?: true;
  /** Statuses beside 200 and those that every route of its kind has. */
  readonly problems?: readonly number[];
}

const PROBLEM_TEXTS: Readonly<Record<number, string>> = {
  400: 'The query, or the body, is wrong; `errors` lists every fault.',
  401: 'No token, or a wrong one.',
  403: 'The token is a viewer’s, and this is not for viewers.',
  404: 'There is nothing with this id, or no such node.',
  409: 'It was done before, or the state of the node forbids it; `detail` has the reason.',
  429: 'Ten wrong tokens came from this address within a minute, or this was done too often. Wait for `Retry-After`.',
  503: 'It would do harm now; `detail` has the reason.',
  504: 'Its node does not respond. Try again in a moment.',
};

/** The responses of an admin route. */
export function adminResponses({
  answer,
  type,
  status = 200,
  unconfirmed,
  started,
  problems = [],
}: OperationText): Responses {
  const statuses = [401, 429, ...problems].toSorted((left, right) => left - right);
  const refusals = statuses.map(refused => [
    refused,
    content(PROBLEM_TEXTS[refused]!, ref('Problem'), {
      type: 'application/problem+json',
      example: problemExample(refused),
    }),
  ]);
  const accepted = unconfirmed && {
    202: content('Its node did not confirm it in time.', ref(answer), { example: KICK_EXAMPLES[202] }),
  };
  const begun = started && { 202: content('The kicks have begun.', ref('KickStarted')) };
  const example = answer === 'KickAnswer' ? KICK_EXAMPLES[200] : undefined;
  return {
    [status]: content('OK', ref(answer), { example, type }),
    ...accepted,
    ...begun,
    ...Object.fromEntries(refusals),
  };
}

/** The responses of a health route. */
export function healthResponses({ id, answer }: OperationText): Responses {
  return {
    200: content('OK', ref(answer), { example: healthExample(id, 200) }),
    503: content('An indicator is down; the body has its name and the reason.', ref(answer), {
      example: healthExample(id, 503),
    }),
  };
}

interface ContentOptions {
  /** Default: `application/json`. */
  readonly type?: string | undefined;
  /** Of this status. Default: the example of the schema. */
  readonly example?: object | undefined;
}

export function content(
  description: string,
  schema: Schema,
  { type = 'application/json', example }: ContentOptions = {},
) {
  return { description, content: { [type]: { schema, ...(example !== undefined && { example }) } } };
}
