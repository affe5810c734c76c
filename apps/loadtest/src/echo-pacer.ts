interface Turn {
  readonly index: number;
  nextAt: number;
}

/** Selects the clients whose echo is due. Each client has its own pace and its own start, so that they do not send together. */
export class EchoPacer {
  readonly #everyMs: number;
  readonly #turns: readonly Turn[];

  constructor(indices: readonly number[], everyMs: number, startedAt: number) {
    this.#everyMs = everyMs;
    this.#turns = indices.map((index, position) => ({
      index,
      nextAt: startedAt + (position * everyMs) / indices.length,
    }));
  }

  /** Each index once, however much time has passed: what was missed is not sent in a burst. */
  *due(now: number): Generator<number> {
    for (const turn of this.#turns) {
      if (now < turn.nextAt) continue;
      turn.nextAt += this.#everyMs;
      if (turn.nextAt <= now) turn.nextAt = now + this.#everyMs;
      yield turn.index;
    }
  }
}
