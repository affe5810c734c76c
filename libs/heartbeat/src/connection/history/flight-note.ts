/** Limits of input, each with the reason of its close (4004). */
export const INPUT_LIMITS = {
  messages: 'too many messages',
  pings: 'too many pings',
  input: 'too much at once',
} as const;
export type InputLimit = keyof typeof INPUT_LIMITS;

/** Maximum length of a text of an operator, an application or a library in a note, in characters. */
const MAX_TEXT = 200;

/**
 * A notable event of a connection: a kind, and its numbers. Sentences are created when a record is read. A text that the library does not
 * choose is bounded by {@link noteText}.
 */
export type FlightNote =
  | { readonly kind: 'opened' }
  /** A ping stayed unanswered; `missed` is the number of consecutive ones. */
  | { readonly kind: 'missed'; readonly missed: number; readonly timeoutMs: number }
  /** Above a limit of input; closed with 4004. */
  | { readonly kind: 'limit'; readonly limit: InputLimit }
  /** A message was not completed within `limits.messageTimeoutMs`. */
  | { readonly kind: 'incomplete' }
  /** Above `backpressure.maxBufferedBytes` by a message of `bytes`, in bytes or in messages. */
  | { readonly kind: 'full'; readonly bufferedBytes: number; readonly messages: number; readonly bytes: number }
  /** Too slow for too long, or the largest backlog while the total is too large. */
  | { readonly kind: 'slow'; readonly bufferedBytes: number; readonly why: 'slow' | 'total' }
  /** Sent a ping while more than `backpressure.maxBufferedBytes` were buffered for it. */
  | { readonly kind: 'unread'; readonly bufferedBytes: number }
  /** An error of the socket: of `ws` for a protocol violation, of Node for the network. */
  | { readonly kind: 'error'; readonly message: string }
  | { readonly kind: 'kicked'; readonly by: string };

/** A text for a note, bounded, and in memory of its own: a slice of a text would keep the whole. */
export function noteText(text: string): string {
  return text.length <= MAX_TEXT ? text : `${Buffer.from(text.slice(0, MAX_TEXT)).toString()}…`;
}

type NoteOf<Kind> = Extract<FlightNote, { readonly kind: Kind }>;

/** The sentences of flight records. */
const SENTENCES: { readonly [Kind in FlightNote['kind']]: (note: NoteOf<Kind>) => string } = {
  opened: () => 'opened',
  missed: ({ missed, timeoutMs }) => `ping ${missed} unanswered for ${timeoutMs} ms`,
  limit: ({ limit }) => INPUT_LIMITS[limit],
  incomplete: () => 'a message stayed unfinished',
  full: ({ bufferedBytes, messages, bytes }) =>
    `${bufferedBytes} bytes in ${messages} messages wait for it, and ${bytes} more were to be sent`,
  slow: ({ bufferedBytes, why }) => `${bufferedBytes} bytes waited for it (${why})`,
  unread: ({ bufferedBytes }) => `${bufferedBytes} bytes waited for it when it sent a ping`,
  error: ({ message }) => `protocol or network error: ${message}`,
  kicked: ({ by }) => `kicked by ${by}`,
};

/** A note as a sentence for display. */
export function sentenceOf(note: FlightNote): string {
  // The type of the table guarantees that each kind has a sentence for its own notes.
  const sentence = SENTENCES[note.kind] as (note: FlightNote) => string;
  return sentence(note);
}
