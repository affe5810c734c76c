import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

import { DrainService } from './drain.service.js';

/** The method of an HTTP adapter that `app.close()` awaits before any hook of the application. Older versions of Nest have none. */
interface Adapter {
  beforeClose?: (() => unknown) | undefined;
}

/**
 * Drains before the `onModuleDestroy` hooks of the application, so that handlers in flight still find what those hooks release. Where Nest
 * does not await `beforeClose` of its HTTP adapter, the drain is that of `DrainService.onModuleDestroy`.
 */
@Injectable()
export class DrainBeforeHooks implements OnApplicationBootstrap, OnApplicationShutdown {
  /** Undoes the change of the adapter. */
  #undo: (() => void) | null = null;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly drain: DrainService,
  ) {}

  onApplicationBootstrap(): void {
    // An application context has no HTTP adapter.
    const adapter = this.host.httpAdapter as Adapter | null | undefined;
    if (!adapter) return;
    const { beforeClose } = adapter;
    const isOwn = Object.hasOwn(adapter, 'beforeClose');
    const draining = (adapter.beforeClose = async () => {
      // First, as without this library: with `return503OnClosing` it refuses requests from now on.
      const result = beforeClose && Reflect.apply(beforeClose, adapter, []);
      await this.drain.takeOver('the application closes');
      await result;
    });
    this.#undo = () => {
      if (adapter.beforeClose !== draining) return;
      if (isOwn) adapter.beforeClose = beforeClose;
      else Reflect.deleteProperty(adapter, 'beforeClose');
    };
  }

  onApplicationShutdown(): void {
    this.#undo?.();
    this.#undo = null;
  }
}
