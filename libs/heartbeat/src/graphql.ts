/** The entry `nestjs-heartbeat/graphql`: GraphQL subscriptions of `@nestjs/graphql` as tracked connections. */
export { HeartbeatGraphQLModule } from './transports/graphql/heartbeat-graphql.module.js';
