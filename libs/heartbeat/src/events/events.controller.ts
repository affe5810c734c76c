import type { IncomingMessage } from 'node:http';

import { Get, Req, Res, type Type } from '@nestjs/common';
import type { z } from 'zod';

import { AdminRoutes } from '../http/admin-routes.js';
import { ValidQuery } from '../http/input.pipe.js';
import { existingNode } from '../http/one-node.js';
import { badQuery } from '../http/problem.exception.js';
import { beginResponse } from '../http/raw-response.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import { type EventPositions, positionsOf } from './event-position.js';
import { EventStreams } from './event-streams.js';
import { eventsQuery, POSITION_RULE } from './events-query.js';

/** `no-transform`: middleware that compresses holds small parts back. `X-Accel-Buffering`: nginx does, too. */
const HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
};

/** Creates `GET events` below the admin path: the events of all nodes as server-sent events. */
export function createEventsController(path: string): Type<unknown> {
  @AdminRoutes(path)
  class EventsController {
    constructor(
      private readonly streams: EventStreams,
      private readonly directory: NodeDirectory,
    ) {}

    @Get('events')
    async events(
      @ValidQuery(eventsQuery) query: z.output<typeof eventsQuery>,
      @Req() request: IncomingMessage,
      @Res() response: object,
    ): Promise<void> {
      const positions = resumedFrom(request) ?? query.positions;
      if (query.node !== undefined) await existingNode(this.directory.find(query.node));
      this.streams.assertRoom();
      const begun = beginResponse(response, HEADERS);
      if (request.method === 'HEAD') begun.end();
      else this.streams.begin(begun, { ...query, positions });
    }
  }
  return EventsController;
}

/** The header is newer than the address: a reader repeats the address each time it connects again. */
function resumedFrom({ headers }: IncomingMessage): EventPositions | null {
  const id = headers['last-event-id'];
  if (id === undefined || id === '') return null;
  const positions = typeof id === 'string' ? positionsOf(id) : null;
  if (positions === null)
    throw badQuery([{ pointer: '/lastEventId', detail: `${POSITION_RULE} (header Last-Event-ID)` }]);
  return positions;
}
