import { type ArgumentMetadata, Injectable, type PipeTransform } from '@nestjs/common';
import type { z } from 'zod';

import { badBody, badQuery, type InputError, pointerTo } from './problem.exception.js';
import { isRead } from './query-parameter.js';

/** Validates a query or a body by its `{ schema }`. */
@Injectable()
export class InputPipe implements PipeTransform {
  /** @throws ProblemException 400 with every fault. */
  async transform<T = unknown>(value: T, { schema, type }: ArgumentMetadata): Promise<T> {
    if (schema === undefined || isRead(value)) return value;
    const result = await schema['~standard'].validate(value);
    if (result.issues === undefined) return result.value as T;
    const errors = (result.issues as readonly z.core.$ZodIssue[]).flatMap(inputErrorsOf);
    throw type === 'body' ? badBody(errors) : badQuery(errors);
  }
}

function inputErrorsOf(issue: z.core.$ZodIssue): InputError[] {
  const { message: detail } = issue;
  if (issue.code === 'unrecognized_keys') return issue.keys.map(key => ({ pointer: pointerTo(key), detail }));
  // Labels are collected in one object, so the path of a label has the object's name and the label's key.
  const [name, label] = issue.path.map(String);
  if (name === undefined) return [{ pointer: '', detail }];
  return [{ pointer: pointerTo(label === undefined ? name : `label.${label}`), detail }];
}
