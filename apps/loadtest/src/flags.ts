import { CONTRACT_PROMISE } from './liveness-bound.js';

interface Flag {
  /** How its value is named in the usage; empty for a switch. */
  readonly value: string;
  /** As it would be written; empty when there is none. */
  readonly default: string;
  readonly meaning: string;
}

export type FlagName =
  | 'url'
  | 'connections'
  | 'open-rate'
  | 'silent'
  | 'stopped'
  | 'echo'
  | 'echo-every'
  | 'seconds'
  | 'interval'
  | 'pong-timeout'
  | 'missed-pongs'
  | 'seed'
  | 'json'
  | 'help';

/** The one place where flags, their defaults and their meaning are written down. */
export const FLAGS: Readonly<Record<FlagName, Flag>> = {
  url: { value: 'URL', default: 'ws://127.0.0.1:3000/ws', meaning: 'the server, plain ws:// on a loopback address' },
  connections: { value: 'COUNT', default: '2000', meaning: 'clients to open, 1 to 60000' },
  'open-rate': { value: 'COUNT', default: '0', meaning: 'most new clients a second; 0: as fast as they are answered' },
  silent: { value: 'SHARE', default: '10%', meaning: 'clients that stop answering but read on; 10% or 200' },
  stopped: { value: 'SHARE', default: '2%', meaning: 'clients that stop reading as well' },
  echo: {
    value: 'SHARE',
    default: '10%',
    meaning: 'of the healthy clients, those that send echoes; the rest are idle',
  },
  'echo-every': { value: 'MS', default: '1000', meaning: 'pace of each of them' },
  seconds: { value: 'SECONDS', default: '60', meaning: 'length of the run once all clients are open, 1 to 3600' },
  interval: {
    value: 'MS',
    default: String(CONTRACT_PROMISE.intervalMs),
    meaning: "the server's heartbeat interval; left out, the server is asked, and believed when it changes",
  },
  'pong-timeout': {
    value: 'MS',
    default: String(CONTRACT_PROMISE.pongTimeoutMs),
    meaning: "the server's patience for one pong; left out, the server is asked",
  },
  'missed-pongs': {
    value: 'COUNT',
    default: String(CONTRACT_PROMISE.missedPongs),
    meaning: 'unanswered pings after which the server ends a connection',
  },
  seed: {
    value: 'NUMBER',
    default: '',
    meaning: 'repeats the plan of an earlier run; left out, a random one is drawn',
  },
  json: { value: 'FILE', default: '', meaning: 'writes the report there as JSON too' },
  help: { value: '', default: '', meaning: 'prints this' },
};

export function usage(): string {
  const rows = Object.entries(FLAGS).map(([name, { value, meaning, ...flag }]) => {
    const standard = flag.default === '' ? '' : ` [${flag.default}]`;
    return `  ${`--${name} ${value}`.padEnd(22)}${meaning}${standard}`;
  });
  return [
    'Opens many WebSocket clients, makes some of them faulty, and judges how the server finds them.',
    '',
    'npm run load -- --url ws://127.0.0.1:3000/ws --connections 2000 --silent 10% --stopped 2% --seconds 60',
    '',
    ...rows,
    '',
    'A faulty client has to be found within interval + missed pongs x pong timeout + 1 s of its last byte,',
    'in time that the server attended. No healthy client may be lost.',
    'Exit status: 0 every promise held, 1 one was broken, 2 the arguments are wrong or nothing listens there.',
    '',
  ].join('\n');
}
