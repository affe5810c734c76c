import { ApplicationConfig, DiscoveryService, MetadataScanner } from '@nestjs/core';
import { Inject, Injectable } from '@nestjs/common';

import { HTTP_SETTINGS, type HttpSettings } from './http-settings.js';
import { areaOf } from './own-routes.js';
import { type PathEntry, type PrefixExclusion, RouteTable } from './route-table.js';

/**
 * The library's paths in this application. They are known once Nest initialises its modules, since the application sets its prefix before.
 */
@Injectable()
export class OwnRouting {
  #table: RouteTable | null = null;
  #isShared: boolean | null = null;

  constructor(
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
    private readonly config: ApplicationConfig,
    private readonly discovery: DiscoveryService,
  ) {}

  /** Returns null for a path of the application. */
  find(path: string): PathEntry | null {
    return this.#routes.find(path);
  }

  /** The name in the audit trail of the change that a request asks for; undefined where no route has it. */
  actionOf(method: string, path: string): string | undefined {
    return this.#routes.actionOf(method, path);
  }

  /** The segments of a path below the admin path; none for another path. */
  belowAdmin(path: string): string[] {
    return this.#routes.belowAdmin(path);
  }

  /** Whether the library answers errors of the platform for this path: not where the application has routes below the admin path. */
  ownsErrorsOf(path: string): boolean {
    const entry = this.find(path);
    if (entry?.area !== 'admin') return false;
    return entry.methods.length > 0 || !this.#sharesAdminPath;
  }

  get #routes(): RouteTable {
    const exclusions = (this.config.getGlobalPrefixOptions().exclude ?? []) as readonly PrefixExclusion[];
    return (this.#table ??= new RouteTable(this.settings.routes, this.config.getGlobalPrefix(), exclusions));
  }

  get #sharesAdminPath(): boolean {
    return (this.#isShared ??= this.#pathsOfApplication().some(path => this.#routes.isBelowAdmin(path)));
  }

  /** The paths of the application's own controllers, with and without the global prefix. */
  #pathsOfApplication(): string[] {
    const prefix = this.config.getGlobalPrefix();
    const foreign = this.discovery.getControllers().filter(({ metatype }) => metatype && !areaOf(metatype));
    return foreign.flatMap(({ metatype }) => {
      const controller = metatype as new () => object;
      const target = controller.prototype as Record<string, object>;
      const handlers = new MetadataScanner().getAllMethodNames(target).map(name => target[name]!);
      const below = handlers.filter(handler => Reflect.hasMetadata('path', handler)).flatMap(pathsOf);
      return pathsOf(controller).flatMap(base =>
        below.flatMap(path => [joined(base, path), joined(prefix, base, path)]),
      );
    });
  }
}

function pathsOf(decorated: object): string[] {
  return [Reflect.getMetadata('path', decorated) as string | string[] | undefined].flat().map(path => path ?? '');
}

function joined(...parts: readonly string[]): string {
  return `/${parts.flatMap(part => part.split('/').filter(Boolean)).join('/')}`;
}
