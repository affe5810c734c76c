export { connectionOf } from './transports/socket-io/connection-of.js';
export { HeartbeatIoAdapter, type IoServerOptions } from './transports/socket-io/heartbeat-io.adapter.js';
export { trackSocketIo } from './transports/socket-io/track-socket-io.js';
