import { type ArgumentMetadata, Body, type PipeTransform, Query } from '@nestjs/common';
import type { z } from 'zod';

import { LABELS } from './connection-parameters.js';
import { badBody, badQuery, type InputError, pointerTo } from './problem.exception.js';
import { isRead } from './query-parameter.js';

/** Validates a query or a body by a schema. */
export class InputPipe implements PipeTransform {
  constructor(private readonly schema: z.ZodType) {}

  /** @throws ProblemException 400 with every fault. */
  async transform(value: unknown, { type }: Pick<ArgumentMetadata, 'type'>): Promise<unknown> {
    if (isRead(value)) return value;
    const result = await this.schema.safeParseAsync(value);
    if (result.success) return result.data;
    const errors = result.error.issues.flatMap(inputErrorsOf);
    throw type === 'body' ? badBody(errors) : badQuery(errors);
  }
}

/** The query of a route, validated by `schema`. OpenAPI shows the schema. */
export function ValidQuery(schema: z.ZodType): ParameterDecorator {
  return Query(...validated(schema));
}

/** The body of a route, validated by `schema`. OpenAPI shows the schema. */
export function ValidBody(schema: z.ZodType): ParameterDecorator {
  return Body(...validated(schema));
}

/**
 * The pipe, which has its schema itself since Nest 11 passes none, and the options in which Nest 12 keeps the schema for OpenAPI. Nest 11
 * ignores the options: for it they are a pipe without `transform`.
 */
function validated(schema: z.ZodType): PipeTransform[] {
  return [new InputPipe(schema), { schema } as unknown as PipeTransform];
}

function inputErrorsOf(issue: z.core.$ZodIssue): InputError[] {
  const { message: detail } = issue;
  if (issue.code === 'unrecognized_keys') return issue.keys.map(key => ({ pointer: pointerTo(key), detail }));
  const path = issue.path.map(String);
  // The labels of a query are collected in one object, so the path of a label has the object's name and the label's key.
  const isLabel = path.length === 2 && path[0] === LABELS;
  return [{ pointer: isLabel ? pointerTo(`label.${path[1]}`) : path.map(pointerTo).join(''), detail }];
}
