/** The log is held by a process that does not answer. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}
