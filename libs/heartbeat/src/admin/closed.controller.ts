import { Get, Param, type Type } from '@nestjs/common';
import type { z } from 'zod';

import { ClosedConnections } from '../cluster/closed-connections.js';
import type { ClosedView } from '../connection/listing/connection-view.js';
import { AdminRoutes } from '../http/admin-routes.js';
import { ValidQuery } from '../http/input.pipe.js';
import { existingNode, orSilent } from '../http/one-node.js';
import { notFound } from '../http/problem.exception.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import type { ClosedList } from './admin-answers.js';
import { closedQuery } from './closed-query.js';

/** Creates the admin routes below `path` for connections that have ended. */
export function createClosedController(path: string): Type<unknown> {
  @AdminRoutes(path)
  class ClosedController {
    constructor(
      private readonly ended: ClosedConnections,
      private readonly directory: NodeDirectory,
    ) {}

    @Get('closed')
    async closed(@ValidQuery(closedQuery) query: z.output<typeof closedQuery>): Promise<ClosedList> {
      const { limit, after, filter, cursorTo } = query;
      const node = await existingNode(this.directory.find(query.node));
      const { items, hasMore } = await orSilent(this.ended.page(node, { limit, after, filter }));
      return { items, nextCursor: hasMore ? cursorTo(items.at(-1)!.id) : null };
    }

    @Get('closed/:id')
    async closedDetail(@Param('id') id: string): Promise<ClosedView> {
      const detail = await orSilent(this.ended.get(id));
      if (detail !== null) return detail;
      throw notFound(
        'The closed history has no connection with this id: it is open, was closed too long ago, was on a node that has ended, or never existed.',
      );
    }
  }
  return ClosedController;
}
