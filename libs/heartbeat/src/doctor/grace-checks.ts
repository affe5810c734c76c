import { END_MS } from '../drain/drain-verdict.js';
import { type DrainOptions, plannedMs } from '../options/drain.options.js';
import type { Check } from './node-facts.js';
import { ok, finding } from './finding.js';
import { type Supervisor, supervisorOf } from './supervisors.js';
import { seconds, type SystemReader } from './system-reader.js';

/** A shorter deadline leaves no time for closing handshakes over a network. */
const LEAST_DEADLINE_MS = 500;
const GRACE_VARIABLE = 'TERMINATION_GRACE_PERIOD_SECONDS';

export const drainDeadline: Check = ({ options, system }) => {
  const subject = {
    id: 'drain-deadline',
    title: 'Drain against the orchestrator’s grace',
    why: 'A supervisor kills the process at the end of its grace. Clients that have no close frame by then are cut with 1006.',
  };
  const { deadlineMs } = options.drain;
  const plan = `drain.deadlineMs is ${seconds(deadlineMs)}`;
  const needed = Math.ceil((deadlineMs + END_MS) / 1000);
  const stated = system.variable(GRACE_VARIABLE);
  if (stated !== null && !isSeconds(stated)) {
    const remedy = `${STATE_IT}, as a number.`;
    return finding('warn', subject, `${plan}; ${GRACE_VARIABLE} is no number of seconds`, remedy);
  }
  const grace = graceOf(system, stated);
  if (grace === null) {
    const remedy = `${STATE_IT}, and have it at least ${needed} s; docker's own is 10 s.`;
    return finding('info', subject, `${plan}; the grace is unknown, ${GRACE_VARIABLE} is not set`, remedy);
  }
  const evidence = `${plan}; ${grace.evidence}`;
  if (deadlineMs + END_MS <= grace.ms) return ok(subject, evidence);
  const lower = shorterDrain(options.drain, grace.ms);
  const remedy = grace.isFixed
    ? `This grace is fixed: ${lower ?? 'choose a supervisor with a longer one'}.`
    : `Raise the grace to ${needed} s${grace.setting}${lower === null ? '' : `, or ${lower}`}.`;
  return finding('warn', subject, evidence, remedy);
};

/**
 * The alternative remedy for a short grace: a deadline that fits, and limits for the times within it if they no longer fit. Returns null
 * where no deadline fits.
 */
function shorterDrain(drain: DrainOptions, graceMs: number): string | null {
  const fitting = Math.floor(graceMs - END_MS);
  if (fitting < LEAST_DEADLINE_MS) return null;
  const lower = `lower drain.deadlineMs to ${fitting}`;
  const { workTimeoutMs } = drain;
  if (plannedMs(drain) + (workTimeoutMs ?? 0) <= fitting) return lower;
  const times = workTimeoutMs === undefined ? 'drain.spreadMs' : 'drain.spreadMs, drain.workTimeoutMs';
  return `${lower}, and set drain.readinessDelayMs, ${times} and drain.closeTimeoutMs to at most ${fitting} together`;
}

/** The grace in milliseconds; null where it is unknown or has no end. A statement that is no number counts as none. */
export function graceMsOf(system: SystemReader): number | null {
  const stated = system.variable(GRACE_VARIABLE);
  const grace = graceOf(system, stated !== null && isSeconds(stated) ? stated : null);
  return grace === null || grace.ms === Infinity ? null : Math.floor(grace.ms);
}

function isSeconds(text: string): boolean {
  return /^\d+(\.\d+)?$/.test(text);
}

const STATE_IT = `Set ${GRACE_VARIABLE} to the grace (Kubernetes: terminationGracePeriodSeconds, Compose: stop_grace_period, docker: --stop-timeout)`;

interface Grace {
  readonly ms: number;
  readonly evidence: string;
  readonly isFixed: boolean;
  /** The setting that raises the grace. */
  readonly setting: string;
}

/**
 * The grace that the operator states, unless the supervisor's configured grace is shorter. Without a statement, the supervisor's default.
 */
function graceOf(system: SystemReader, stated: string | null): Grace | null {
  const supervisor = supervisorOf(system);
  const ofOperator = stated === null ? null : Number(stated) * 1000;
  if (ofOperator !== null && (supervisor === null || supervisor.isDefault || ofOperator <= supervisor.graceMs)) {
    return { ms: ofOperator, evidence: `${GRACE_VARIABLE} is ${stated}`, isFixed: false, setting: '' };
  }
  return supervisor === null ? null : graceOfSupervisor(supervisor);
}

function graceOfSupervisor({ name, evidence, graceMs, isDefault, setting }: Supervisor): Grace {
  const after = graceMs === Infinity ? 'never' : `after ${seconds(graceMs)}`;
  const raise = isDefault ? `${setting}; state it in ${GRACE_VARIABLE}` : setting;
  return {
    ms: graceMs,
    evidence: `${name} (${evidence}) kills the process ${after}${isDefault ? ' by default' : ''}`,
    isFixed: setting === null,
    setting: ` (${raise})`,
  };
}
