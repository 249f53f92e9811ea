/** What can go wrong between us and a store, and when: a test says both. */
import type { S3Request } from './s3-requests.ts';

/** What whoever asked gets to see. */
export type FaultKind =
  /** 500 InternalError. */
  | 'internal'
  /** 503 SlowDown. */
  | 'slow-down'
  /** 409 ConditionalRequestConflict. */
  | 'conflict'
  /** 412 PreconditionFailed, whatever holds. */
  | 'precondition'
  /** 404 NoSuchBucket. */
  | 'no-bucket'
  /** 200 whose document is an error; only some operations answer so. */
  | 'error-in-200'
  /** No answer at all, on a connection that stays open. */
  | 'silent'
  /** The connection is reset. */
  | 'reset'
  /** The true answer, cut off half-way. */
  | 'truncated'
  /** The true answer, that stands still half-way on a connection that stays open. */
  | 'stalled';

export interface Fault {
  readonly does: FaultKind;
  /** Whether what was asked for is done before. Reads change nothing either way. */
  readonly persisted?: boolean | undefined;
}

/** A request that was taken, and is done when the test says so: the write of a process that was paused, or a slow network. */
export interface HeldRequest {
  readonly request: S3Request;
  /** Does it now, conditions included, whoever still waits for the answer. @returns the status of the answer. */
  finish(): Promise<number>;
}

export type When = (request: S3Request) => boolean;

interface Hold {
  readonly taken: (held: HeldRequest) => void;
}

export class S3Faults {
  /** Asked first, for every request. */
  onRequest: ((request: S3Request) => Fault | undefined) | undefined;
  readonly #once: { readonly when: When; readonly what: Fault | Hold }[] = [];
  readonly #always: { readonly when: When; readonly fault: Fault }[] = [];

  /** The nth request from now on, counted from 1, or the first that is so. */
  failOnce(when: number | When, fault: Fault): void {
    this.#once.push({ when: asPredicate(when), what: fault });
  }

  /** Every one that is so, until `clear`. */
  failAlways(when: When, fault: Fault): void {
    this.#always.push({ when, fault });
  }

  /** The nth request from now on, or the first that is so, waits for the test; resolves when it has come. */
  holdOnce(when: number | When): Promise<HeldRequest> {
    return new Promise((taken) => this.#once.push({ when: asPredicate(when), what: { taken } }));
  }

  clear(): void {
    this.onRequest = undefined;
    this.#once.length = 0;
    this.#always.length = 0;
  }

  /** How many of those that happen once have not happened. */
  get pending(): number {
    return this.#once.length;
  }

  /** What is to happen to this one. Every predicate sees every request, so that each can count. */
  next(request: S3Request): Fault | Hold | undefined {
    const asked = this.onRequest?.(request);
    const due = this.#once.filter(({ when }) => when(request));
    const always = this.#always.find(({ when }) => when(request));
    if (asked) return asked;
    const [first] = due;
    if (!first) return always?.fault;
    this.#once.splice(this.#once.indexOf(first), 1);
    return first.what;
  }
}

function asPredicate(when: number | When): When {
  if (typeof when !== 'number') return when;
  let seen = 0;
  return () => (seen += 1) >= when;
}

/** Of this operation, on keys that end so. */
export function requestsOf(operation: S3Request['operation'], keyEnd = ''): When {
  return (request) => request.operation === operation && request.key.endsWith(keyEnd);
}

/** The error that stands for a fault; undefined where the fault is no answer. */
export function errorOf(does: FaultKind): readonly [status: number, code: string] | undefined {
  switch (does) {
    case 'internal':
      return [500, 'InternalError'];
    case 'slow-down':
      return [503, 'SlowDown'];
    case 'conflict':
      return [409, 'ConditionalRequestConflict'];
    case 'precondition':
      return [412, 'PreconditionFailed'];
    case 'no-bucket':
      return [404, 'NoSuchBucket'];
    case 'error-in-200':
      return [200, 'InternalError'];
    case 'silent':
    case 'reset':
    case 'truncated':
    case 'stalled':
      return undefined;
  }
}
