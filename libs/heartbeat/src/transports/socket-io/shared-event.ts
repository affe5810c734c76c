import type { SharedMessage } from '../../connection/shared-message.js';
import { frameOf } from '../ws/shared-frame.js';
import type { Encoder } from './engine-fields.js';

/** A broadcast as packets of engine.io, and the options for each. */
interface SharedEvent {
  readonly namespace: string;
  readonly encoder: object;
  readonly packets: readonly (string | Buffer)[];
  readonly options: object;
}

/** The type of an event in the protocol of Socket.IO. */
const EVENT = 2;
/** The type of a message in the protocol of engine.io, before each text. */
const MESSAGE = '4';

const EVENTS = new WeakMap<SharedMessage, SharedEvent>();

/**
 * A broadcast as the event `message` of Socket.IO, encoded once for all clients of a namespace. The WebSocket frame of a text is made once
 * as well, as Socket.IO does for its own broadcasts.
 */
export function sharedEvent(message: SharedMessage, namespace: string, encoder: object): SharedEvent {
  const known = EVENTS.get(message);
  if (known?.namespace === namespace && known.encoder === encoder) return known;
  const data = ['message', message.isBinary ? message.payload : message.payload.toString()];
  const packets = (encoder as Encoder).encode({ type: EVENT, nsp: namespace, data });
  const [text] = packets;
  const isText = packets.length === 1 && typeof text === 'string';
  const options = isText ? { wsPreEncodedFrame: frameOf(Buffer.from(MESSAGE + text), false) } : {};
  const event = { namespace, encoder, packets, options };
  EVENTS.set(message, event);
  return event;
}
