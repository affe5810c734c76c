import { Get, Req, type Type } from '@nestjs/common';

import { adminOf } from '../http/admin-actor.js';
import { AdminRoutes } from '../http/admin-routes.js';
import { NodeState } from '../node/node-state.js';
import type { AdminRole } from '../options/admin.options.js';

/** The response of `GET me`. */
export interface Me {
  /** The name of the token, or the name that the guard of the application set (`identifyAdmin`); `adminGuard` without one. */
  readonly name: string;
  /** Null where the guard of the application set none. */
  readonly role: AdminRole | null;
  /** The id of the queried node. */
  readonly node: string;
}

/** Creates `GET me` below the admin path: the sender of the request. */
export function createMeController(path: string): Type<unknown> {
  @AdminRoutes(path)
  class MeController {
    constructor(private readonly node: NodeState) {}

    @Get('me')
    me(@Req() request: object): Me {
      const { name, role } = adminOf(request);
      return { name, role, node: this.node.id };
    }
  }
  return MeController;
}
