// The application log: JSON lines through pino, constant messages with data in fields.

import { type Logger as PinoLogger, pino } from 'pino';
import { escapeJson } from '../core/ascii-json.ts';
import type { LineSink } from './log-destination.ts';

export type Logger = PinoLogger;
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly destination: LineSink;
}

/** Errors belong into the field `err`: type, message, code, cause and stack are written. */
export function createLogger({ level, destination }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: { log: 'application', pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line) => destination.write(escapeJson(line), () => {}) },
  );
}
