/** The text of the route of the event stream, below the admin path `admin`. */
export const eventOperations = (admin: string) =>
  ({
    [`get ${admin}/events`]: {
      id: 'events',
      summary: 'The events of all nodes, as server-sent events',
      description:
        'Has no end. The header `Last-Event-ID` continues after an event that was received. Events `gap` name what is lost, events ' +
        '`status` the nodes that are followed. Each filter selects by attributes of the connection of an event.',
      answer: 'EventStream',
      type: 'text/event-stream',
      problems: [400, 404, 503, 504],
    },
  }) as const;

/** The schema of its response. */
export const EVENT_STREAM = {
  type: 'string',
  description: 'Server-sent events: `event`, `id`, and as `data` one line of JSON.',
  example:
    'event: refused\nid: 9f86d081:12\ndata: {"type":"refused","status":429,"reason":"ip-limit","ip":"192.0.2.7","seq":12,"at":"2026-01-31T12:00:00.000Z","node":"node-1-9f86d081"}\n\n',
} as const;
