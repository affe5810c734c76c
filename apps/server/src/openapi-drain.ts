/** The texts of the routes of a drain by hand, and of the sender of a request, below the admin path `admin`. */
export const drainOperations = (admin: string) =>
  ({
    [`get ${admin}/me`]: {
      id: 'me',
      summary: 'The name and the role of the token',
      description: 'With a guard of the application: the name and the role that it set.',
      answer: 'Me',
      problems: [400],
    },
    [`get ${admin}/drain`]: {
      id: 'getDrain',
      summary: 'The plan of a drain, or the progress of the drain that runs',
      description: 'While the node serves, the plan is that of a process signal, with `drain.deadlineMs`.',
      answer: 'DrainPlan',
      problems: [400, 404, 504],
    },
    [`post ${admin}/drain`]: {
      id: 'startDrain',
      summary: 'Drain a node, which stays up',
      description:
        'The node is not ready, refuses new connections and closes all others, each at its own moment of the spread. 409 where it drains ' +
        'or has drained; 400 where the plan does not fit into deadline or grace (`plan-does-not-fit`), and in a cluster of several nodes where no other one ' +
        'serves (`no-serving-node`), unless `force` is true. Needs an operator.',
      answer: 'DrainPlan',
      status: 202,
      problems: [400, 403, 404, 409, 504],
    },
    [`delete ${admin}/drain`]: {
      id: 'abortDrain',
      summary: 'Abort the drain of a node, which serves again',
      description:
        'Closes that have begun continue. 409 for a drain by a process signal (`drain-final`), and without a drain (`not-draining`). Needs an operator.',
      answer: 'DrainPlan',
      problems: [400, 403, 404, 409, 504],
    },
  }) as const;
