import { Get, type Type } from '@nestjs/common';
import type { z } from 'zod';

import { ClusterService } from '../cluster/cluster.service.js';
import { AdminRoutes } from '../http/admin-routes.js';
import { ValidQuery } from '../http/input.pipe.js';
import { existingNode, orSilent } from '../http/one-node.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import type { Leaders } from '../stats/leaders.types.js';
import { StatsService } from '../stats/stats.service.js';
import type { Stats } from '../stats/stats.types.js';
import { degradedIf } from './admin-answers.js';
import { leadersQuery, statsQuery } from './stats-query.js';

/** While Redis is lost, a response about all nodes covers the queried node only. */
type MayBeDegraded<Response> = Response & { readonly degraded?: true };

/** Creates `GET stats` and `GET leaders` below the admin path. */
export function createStatsController(path: string): Type<unknown> {
  @AdminRoutes(path)
  class StatsController {
    constructor(
      private readonly stats: StatsService,
      private readonly cluster: ClusterService,
      private readonly directory: NodeDirectory,
    ) {}

    @Get('stats')
    async read(@ValidQuery(statsQuery) { node, query }: z.output<typeof statsQuery>): Promise<MayBeDegraded<Stats>> {
      if (node === undefined) return { ...(await this.stats.read(query)), ...degradedIf(this.cluster.isDegraded) };
      const id = await existingNode(this.directory.find(node));
      return orSilent(this.stats.read({ ...query, node: id }));
    }

    @Get('leaders')
    async leaders(@ValidQuery(leadersQuery) query: z.output<typeof leadersQuery>): Promise<MayBeDegraded<Leaders>> {
      return { ...(await this.stats.leaders(query)), ...degradedIf(this.cluster.isDegraded) };
    }
  }
  return StatsController;
}
