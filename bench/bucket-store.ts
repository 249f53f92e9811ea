/** A real S3 server for benches, in the directory of one, which tells what it was asked; and the programs that others use. */
import { execFile } from 'node:child_process';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { recordStorage, type Storage } from '../bin/storage.ts';
import { noGo } from '../test/support/go-programs.ts';
import { closing } from '../test/support/closing.ts';
import { openVersitygw } from '../test/support/versitygw.ts';
import { Absent } from './measure.ts';
import { requireProgram } from './processes.ts';

export interface StoreRequest {
  /** `PutObject`, `ListObjectsV2`, … */
  readonly operation: string;
  /** `-` for what is about a bucket. */
  readonly key: string;
}

export interface BenchStore {
  /** `s3://bucket/prefix`. */
  place(prefix: string): string;
  /** How the store is reached; a registry of which this is recorded needs no settings for it. */
  readonly connection: Storage;
  /** What it was asked since this was called the last time, by whomever. */
  requests(): readonly StoreRequest[];
  /** What it was asked so far is of no interest: it may be too much to read. */
  forget(): void;
  /** From a directory to a prefix. */
  rclone(
    verb: 'copy' | 'sync',
    directory: string,
    prefix: string,
    ...flags: readonly string[]
  ): Promise<void>;
  awsSync(directory: string, prefix: string): Promise<void>;
  close(): Promise<void>;
}

/** @throws Absent */
export async function openBenchStore(home: string): Promise<BenchStore> {
  if (noGo !== undefined) throw new Absent(noGo);
  requireProgram('rclone', 'version');
  requireProgram('aws', '--version');
  const opened = closing();
  const log = join(home, 'requests.log');
  const { endpoint, bucket, close } = await openVersitygw(opened, { home, accessLog: log });
  let seen = 0;
  return {
    place: (prefix) => `s3://${bucket}/${prefix}`,
    connection: { endpoint, region: 'us-east-1', pathStyle: true },
    requests() {
      const fresh = readFrom(log, seen);
      const whole = fresh.subarray(0, fresh.lastIndexOf('\n') + 1);
      seen += whole.length;
      return whole.toString('latin1').split('\n').flatMap(requestIn);
    },
    forget() {
      seen = statSync(log).size;
    },
    async rclone(verb, directory, prefix, ...flags) {
      const store = [
        '--s3-provider',
        'Other',
        '--s3-endpoint',
        endpoint,
        '--s3-force-path-style',
        '--s3-env-auth',
      ];
      const words = [verb, directory, `:s3:${bucket}/${prefix}`, '--config', '/dev/null', ...store, ...flags];
      await runClient('rclone', words);
    },
    async awsSync(directory, prefix) {
      const words = ['s3', 'sync', directory, `s3://${bucket}/${prefix}`, '--delete', '--only-show-errors'];
      await runClient('aws', ['--endpoint-url', endpoint, ...words]);
    },
    close,
  };
}

/** So that every command over this data directory finds the store. */
export async function recordConnection(data: string, store: BenchStore): Promise<void> {
  await recordStorage(data, store.connection);
}

function readFrom(path: string, at: number): Buffer {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(statSync(path).size - at);
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, at));
  } finally {
    closeSync(file);
  }
}

const line = /^\S+ \S+ \[[^\]]*\] \S+ \S+ \S+ s3_(\w+) (\S+) /;

function requestIn(text: string): StoreRequest[] {
  const [, operation, key] = line.exec(text) ?? [];
  return operation === undefined || key === undefined ? [] : [{ operation, key }];
}

/** How many of them there were, by operation. */
export function countOf(requests: readonly StoreRequest[], operation: RegExp): number {
  return requests.filter((request) => operation.test(request.operation)).length;
}

async function runClient(program: string, words: readonly string[]): Promise<void> {
  // Nothing is encrypted here; rclone 1.60 does not start where it is told of certificates.
  const { AWS_CA_BUNDLE: _, ...environment } = process.env;
  const env = { ...environment, AWS_REGION: 'us-east-1', AWS_DEFAULT_REGION: 'us-east-1' };
  await promisify(execFile)(program, [...words], { env, maxBuffer: 64 * 1024 * 1024 });
}

/** Registries by the number of files of their sites: a package has three documents, and a version one and its artifact. */
export function shapeOf(files: number): { readonly packages: number; readonly versions: number } {
  return { packages: files / 10, versions: (files * 7) / 20 };
}

/** The size that a bench takes unless `CAIRN_BENCH_FILES` says another one. */
export function filesOf(usual: number): number {
  return Number(process.env['CAIRN_BENCH_FILES'] ?? usual);
}
