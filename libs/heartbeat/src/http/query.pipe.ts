import { type ArgumentMetadata, StandardSchemaValidationPipe } from '@nestjs/common';
import type { z } from 'zod';

import { badQuery, type InputError, pointerTo } from './problem.exception.js';
import { isRead } from './query-parameter.js';

/** Holds a query, or a body, against its `{ schema }`, and answers 400 with every fault in it. */
export class QueryPipe extends StandardSchemaValidationPipe {
  /** @param refusal Makes the answer of the faults. */
  constructor(refusal: (errors: readonly InputError[]) => Error = badQuery) {
    super({ exceptionFactory: issues => refusal((issues as readonly z.core.$ZodIssue[]).flatMap(inputErrorsOf)) });
  }

  override async transform<T = unknown>(value: T, metadata: ArgumentMetadata): Promise<T> {
    return isRead(value) ? value : super.transform(value, metadata);
  }

  /** Nest would drop `constructor` and its like unseen. To us they are unknown parameters as any other: refused, and copied nowhere. */
  protected override stripProtoKeys(): void {}
}

function inputErrorsOf(issue: z.core.$ZodIssue): InputError[] {
  const { message: detail } = issue;
  if (issue.code === 'unrecognized_keys') return issue.keys.map(key => ({ pointer: pointerTo(key), detail }));
  // Labels are gathered in one object: the path of one is the gatherer's name and the label's key.
  const [name, label] = issue.path.map(String);
  if (name === undefined) return [{ pointer: '', detail }];
  return [{ pointer: pointerTo(label === undefined ? name : `label.${label}`), detail }];
}
