/** The time between the stop signal of the orchestrator and its SIGKILL. A port; its class is the injection token. */
export abstract class GracePeriod {
  /** In milliseconds; null where it is unknown or has no end. */
  abstract readonly ms: number | null;
}
