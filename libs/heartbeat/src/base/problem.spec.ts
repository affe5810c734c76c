import { describe, expect, it } from '@jest/globals';

import { PROBLEM_JSON, problemOf } from './problem.js';

describe('problemOf', () => {
  it('returns problem details whose type ends in the name (RFC 9457)', () => {
    expect(problemOf('at-capacity', 503, 'The node is full: try again later.')).toEqual({
      type: 'urn:nestjs-heartbeat:problem:at-capacity',
      title: 'Service Unavailable',
      status: 503,
      detail: 'The node is full: try again later.',
    });
  });

  it('has a title for a status that no RFC defines', () => {
    expect(problemOf('odd', 599, '').title).toBe('Error');
  });

  it('has the media type of RFC 9457', () => {
    expect(PROBLEM_JSON).toBe('application/problem+json');
  });
});
