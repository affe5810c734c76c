import type { NodeState } from '../../node/node-state.js';
import type { Connection } from '../../connection/connection.js';
import { errorNote } from '../../connection/history/flight-note.js';
import type { ConnectionService } from '../../connection/connection.service.js';
import type { BanCheck } from '../../connection/ports.js';
import { isSilenced } from '../../connection/silence.js';
import type { InboundService } from '../../flow/inbound.service.js';
import type { RawMessage } from '../../flow/message-queue.js';
import type { HeartbeatService } from '../../liveness/heartbeat.service.js';
import { closeCall } from '../ws/close-call.js';
import type { EnginePacket, EngineSession, EngineTransport } from './engine-fields.js';
import type { IoSession } from './io-session.js';
import type { PacketParts } from './packet-parts.js';
import { sessionOf } from './session-of.js';

/** The services that the events of a session are reported to. */
export interface SessionServices {
  readonly node: NodeState;
  readonly connections: ConnectionService;
  readonly heartbeat: HeartbeatService;
  readonly inbound: InboundService;
  readonly bans: BanCheck;
}

/**
 * The listeners of one server: one function for each event, shared by all sessions, so `this` is the session. Packets wait before Socket.IO
 * decodes them, so that turns also bound the listeners of the application, and the parts of a message stay together.
 */
export interface SessionListeners {
  packet(this: EngineSession, packet: EnginePacket): void;
  packetCreate(this: EngineSession, packet: EnginePacket): void;
  heartbeat(this: EngineSession): void;
  upgrade(this: EngineSession, transport: EngineTransport): void;
  /** For `close`, before the listeners of Socket.IO. */
  ended(this: EngineSession, reason: string): void;
  /** For `close`, after them. */
  forgotten(this: EngineSession): void;
}

const UPGRADED = Object.freeze({ kind: 'upgraded', to: 'websocket' } as const);
/** A packet type that engine.io ignores. */
const IGNORED = 'noop';
/** No status code: RFC 6455, section 7.4.1. */
const NO_CODE = 1005;
const ABNORMAL = 1006;
/** Events and acknowledgements, by the first character of a packet: the other types join and leave namespaces. */
const MESSAGES = new Set(['2', '3', '5', '6']);

/** What differs between servers. */
export interface ListenerOptions {
  /** Whether the application's parser encodes the packets, so that their types are unknown. */
  readonly hasOwnParser: boolean;
  readonly forgotten: (transport: IoSession) => void;
}

export function sessionListeners(
  services: SessionServices,
  { hasOwnParser, forgotten }: ListenerOptions,
): SessionListeners {
  const { node, connections, heartbeat, inbound, bans } = services;
  const isPart = (data: EnginePacket['data']) => typeof data !== 'string' && !hasOwnParser;
  const isMessage = (data: EnginePacket['data']) =>
    hasOwnParser || (typeof data === 'string' && MESSAGES.has(data.charAt(0)));

  /** Queues a packet until its turn. Its bytes are copied, since a part of a payload would keep the whole. */
  const wait = (session: EngineSession, connection: Connection, data: string | Buffer): void => {
    const isBinary = typeof data !== 'string';
    const waiting = { data: isBinary ? data : Buffer.from(data), isBinary };
    sessionOf(session)?.parts.waits();
    inbound.wait(connection, waiting, packet => {
      inbound.passOn(connection);
      passOn(session, packet);
    });
  };

  /** Returns false for a packet that must not be handled. */
  const admits = (connection: Connection, { data }: EnginePacket): boolean => {
    bans.closeIfBanned(connection);
    // The binary values of a message are packets of their own.
    if (isPart(data)) return !isSilenced(connection);
    if (!inbound.admit(connection)) return false;
    if (!isMessage(data)) return true;
    connection.countReceived(node.clock.now());
    node.totals.messagesIn++;
    return true;
  };

  /** While a drain waits for work, which may itself wait for an acknowledgement. */
  const mayPass = (connection: Connection, parts: PacketParts, { data }: EnginePacket): boolean =>
    !hasOwnParser && inbound.isSuspended(connection) && parts.mayPass(data);

  return {
    packet(packet) {
      const connection = sessionOf(this)?.tracked;
      if (connection === undefined || packet.type === 'pong') return;
      if (packet.type !== 'message') inbound.pinged(connection);
      else if (!admits(connection, packet)) packet.type = IGNORED;
      else {
        const { namespaces, parts } = sessionOf(this)!;
        if (typeof packet.data === 'string') namespaces.received(packet.data);
        if (inbound.mayTake(connection, node.clock.now()) || mayPass(connection, parts, packet)) {
          parts.passed(packet.data);
          return inbound.passOn(connection);
        }
        packet.type = IGNORED;
        wait(this, connection, packet.data ?? '');
      }
    },
    packetCreate(packet) {
      const transport = sessionOf(this);
      if (transport?.tracked === undefined || packet.type !== 'message') return;
      const bytes = sizeOf(packet);
      // A connection over a limit is closed. The packet is not removed, since the client could not decode the rest of its message.
      if (!transport.isWriting) transport.tracked.admits(isMessage(packet.data) ? 'message' : 'event', bytes);
      transport.queued(bytes);
    },
    heartbeat() {
      const connection = sessionOf(this)?.tracked;
      if (connection && !heartbeat.ponged(connection)) inbound.pinged(connection);
    },
    upgrade(engineTransport) {
      sessionOf(this)?.adopt(engineTransport);
      sessionOf(this)?.tracked?.note(UPGRADED);
    },
    ended(reason) {
      const transport = sessionOf(this);
      const connection = transport?.tracked;
      if (transport === undefined || connection === undefined) return;
      transport.ended();
      const end = endOf(transport, reason);
      if (end.isOwn) connection.closeBegun(...closeCall('server', end.code, end.reason));
      const error = end.code === ABNORMAL ? transport.network.error : null;
      if (error !== null) connection.note(errorNote(error));
      connections.closed(connection, end.code, end.reason);
    },
    forgotten() {
      const transport = sessionOf(this);
      if (transport === undefined) return;
      transport.forget();
      forgotten(transport);
    },
  };
}

/** Emits a packet that waited, as engine.io does for one that arrives. */
function passOn(session: EngineSession, { data, isBinary }: RawMessage): void {
  if (session.readyState !== 'open') return;
  const content = isBinary ? data : data.toString();
  sessionOf(session)?.parts.taken(content);
  session.emit('data', content);
  session.emit('message', content);
}

/** The end of a session that this library did not close. engine.io names its cause only. */
function endOf({ network }: IoSession, cause: string): { code: number; reason: string; isOwn?: boolean } {
  const { endCode = 0, endReason = '' } = network.socket ?? {};
  if (endCode !== 0) return { code: endCode, reason: endReason };
  if (cause === 'forced close') return { code: NO_CODE, reason: cause, isOwn: true };
  return { code: cause === 'transport close' ? NO_CODE : ABNORMAL, reason: '' };
}

function sizeOf({ data = '', options }: EnginePacket): number {
  const frame = options?.wsPreEncodedFrame;
  if (frame !== undefined) return frame.reduce((sum, part) => sum + part.length, 0);
  return typeof data === 'string' ? Buffer.byteLength(data) : data.length;
}
