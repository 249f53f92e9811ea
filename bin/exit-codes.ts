import { LogDamage, RegistryError, Unreachable } from '../core/errors.ts';
import { SchemaViolation } from '../schema/validate.ts';
import { adviceOn } from '../stores/bucket-failure.ts';
import { LockHeld } from '../stores/writer-lock.ts';

/** What a script can tell from how a command ended. They never change meaning. */
export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  differs: 4,
  damaged: 5,
  unreachable: 6,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof LogDamage) return ExitCode.damaged;
  if (error instanceof Unreachable || error instanceof LockHeld) return ExitCode.unreachable;
  if (error instanceof SchemaViolation) return ExitCode.usage;
  if (error instanceof RegistryError) return error.code === 'bad-request' ? ExitCode.usage : ExitCode.refused;
  return ExitCode.failed;
}

/** A sentence for an expected failure, the stack for a bug. */
export function explain(error: unknown): string {
  if (error instanceof LockHeld)
    return `process ${error.owner.pid} on ${error.owner.host} already writes to this registry; stop it first, or use its API`;
  if (error instanceof RegistryError || error instanceof LogDamage || error instanceof Unreachable) {
    const because = error.cause instanceof Error ? ` (${asPhrase(error.cause.message)})` : '';
    const advice = adviceOn(error.cause);
    return error.message + because + (advice === undefined ? '' : `. ${capitalized(advice)}`);
  }
  const advice = adviceOn(error);
  if (advice !== undefined)
    return `the object store: ${asPhrase((error as Error).message)}. ${capitalized(advice)}`;
  if (error instanceof SchemaViolation || isOfTheSystem(error)) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Such as a file that may not be read: its message names the call and the path, the stack only our code. */
function isOfTheSystem(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}

/** Stores end their sentences, the system does not. */
function asPhrase(text: string): string {
  return text.replace(/\.$/, '');
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
