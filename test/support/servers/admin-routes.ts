import type { AdminApp } from './admin-app.js';

/** A route below the admin path. */
export interface AdminRoute {
  readonly method: string;
  /** With the admin path, such as `/admin/connections/:id`. */
  readonly path: string;
}

/** The routes below the admin path, as Express has them. */
export function adminRoutesOf({ app }: AdminApp): AdminRoute[] {
  const { router } = app.getHttpAdapter().getInstance() as {
    router: { stack: { route?: { path: string; methods: Record<string, boolean> } }[] };
  };
  return router.stack.flatMap(({ route }) => {
    if (route === undefined || !route.path.startsWith('/admin')) return [];
    return Object.keys(route.methods).map(method => ({ method: method.toUpperCase(), path: route.path }));
  });
}
