import * as ws from 'ws';

/** `ws` exports it, but its types do not know it. Makes the parts of a frame: RFC 6455, section 5.2. */
const { Sender } = ws as unknown as {
  readonly Sender: { frame(payload: Buffer, options: FrameOptions): readonly Buffer[] };
};

interface FrameOptions {
  readonly fin: true;
  readonly rsv1: false;
  readonly opcode: 1 | 2;
  readonly mask: false;
}

/** A message that goes to many, encoded and framed once for all: its header and payload lie together, so that one write takes both. */
export class SharedMessage {
  readonly isBinary: boolean;
  readonly frame: Buffer;
  /** As it was when this was made, whatever the app writes into its buffer then. */
  readonly payload: Buffer;

  constructor(data: string | Buffer) {
    this.isBinary = typeof data !== 'string';
    const payload = typeof data === 'string' ? Buffer.from(data) : data;
    const opcode = this.isBinary ? 2 : 1;
    this.frame = Buffer.concat(Sender.frame(payload, { fin: true, rsv1: false, opcode, mask: false }));
    this.payload = this.frame.subarray(this.frame.length - payload.length);
  }
}
