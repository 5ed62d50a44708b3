// How much of the log may wait for whoever reads it, and for how long the end of a process does.

export const MAX_PENDING_LOG_BYTES = 4 * 1024 * 1024;
export const LOG_FLUSH_MS = 1_000;
