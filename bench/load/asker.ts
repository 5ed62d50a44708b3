// What asks and is answered, one request at a time, whatever protocol it speaks.

export interface Asker {
  /** When what is under way was meant to be sent. */
  intendedNs: number;
  /** Of content, both ways so far. */
  readonly bytes: number;
  ask(): void;
  /** Ends the connection that it is of. */
  finish(): void;
}

export type OnAnswer = (asker: Asker) => void;
