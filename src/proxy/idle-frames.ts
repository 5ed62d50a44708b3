// What an upstream sends that moves nothing, and how much of it is too much.

/** More of them between two sweeps, a quarter of a second, is a flood. */
const MAX_IDLE_FRAMES = 1_000;
/** That are expected, however much we have done to have some sent. */
const MAX_EXPECTED = 131_072;

export class IdleFrames {
  /** Below 0 while some are still expected. */
  #count = 0;

  /** One has come. @returns false for one too many. */
  take(): boolean {
    this.#count += 1;
    return this.#count <= MAX_IDLE_FRAMES;
  }

  /** As many may come for what we have done. */
  expect(frames: number): void {
    this.#count = Math.max(this.#count - frames, -MAX_EXPECTED);
  }

  sweep(): void {
    this.#count = Math.min(this.#count, 0);
  }
}
