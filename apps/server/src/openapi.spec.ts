import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { STATUS_CODES } from 'node:http';

import { NestFactory } from '@nestjs/core';
import type { OpenAPIObject } from '@nestjs/swagger';

import { AppModule } from './app.module.js';
import { createDocument, OPERATIONS } from './openapi.js';

let app: INestApplication;
let document: OpenAPIObject;

beforeAll(async () => {
  app = await NestFactory.create(AppModule.with({ wsPath: '/ws', options: {}, clientTokens: null }), { logger: false });
  document = createDocument(app);
});
afterAll(() => app.close());

const operations = () =>
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(
      ([method, operation]) => [`${method} ${path}`, operation as { [key: string]: any }] as const,
    ),
  );

describe('the OpenAPI document', () => {
  it('describes every route that there is, and no other', () => {
    expect(
      operations()
        .map(([name]) => name)
        .toSorted(),
    ).toEqual(Object.keys(OPERATIONS).toSorted());
  });

  it('refers to nothing that it does not hold', () => {
    const schemas = Object.keys(document.components?.schemas ?? {});
    const refs = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);
    expect(refs.length).toBeGreaterThan(0);
    expect(schemas).toEqual(expect.arrayContaining(refs));
  });

  it('has an example for each status that it fits', () => {
    const responses = operations().flatMap(([name, { responses: all }]) =>
      Object.entries(
        all as Record<string, { content: Record<string, { schema: { $ref: string }; example?: any }> }>,
      ).map(([status, { content }]) => [name, Number(status), Object.values(content)[0]!] as const),
    );
    const of = (schema: string) =>
      responses.filter(
        ([
          ,
          ,
          {
            schema: { $ref },
          },
        ]) => $ref.endsWith(`/${schema}`),
      );
    const [problems, health, kicks] = [of('Problem'), of('Health'), of('KickAnswer')];
    expect([problems.length > 20, health.length, kicks.length]).toEqual([true, 8, 2]);
    for (const [name, status, { example }] of problems) {
      expect([name, example]).toMatchObject([name, { status, title: STATUS_CODES[status] }]);
      expect('errors' in example).toBe(status === 400);
    }
    for (const [name, status, { example }] of health) {
      const { error, info, details } = example as Record<string, Record<string, { status: string }>>;
      expect([name, example.status]).toEqual([name, status === 200 ? 'ok' : 'error']);
      expect(Object.keys(error!).length > 0).toBe(status === 503);
      expect(Object.values(error!).every(({ status: state }) => state === 'down')).toBe(true);
      expect(Object.values(info!).every(({ status: state }) => state === 'up')).toBe(true);
      expect(details).toEqual({ ...info, ...error });
    }
    for (const [, status, { example }] of kicks)
      expect(example).toMatchObject(status === 200 ? { closing: true } : { closing: false, confirmed: false });
  });

  it('requires a token on admin routes, and on no other', () => {
    const guarded = operations().filter(([, { security }]) => security !== undefined);
    expect(guarded.map(([name]) => name)).toEqual(
      operations()
        .map(([name]) => name)
        .filter(name => name.includes('/admin')),
    );
  });

  it('has the types of parameters from the schemas that check them', () => {
    const [, list] = operations().find(([name]) => name === 'get /admin/connections')!;
    const parameters = Object.fromEntries(list['parameters'].map((parameter: any) => [parameter.name, parameter]));
    expect(parameters['limit']).toMatchObject({
      in: 'query',
      required: false,
      schema: { type: 'integer', minimum: 1, maximum: 500 },
    });
    expect(parameters['state'].schema.enum).toEqual(['open', 'probing', 'closing']);
    expect(parameters['label.<key>'].schema).toEqual({ type: 'string' });
  });
});
