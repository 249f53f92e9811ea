/**
 * A real S3 server on loopback: versitygw over a directory. It keeps what it knows of objects in extended attributes, which
 * ext4, xfs and (since Linux 6.6) tmpfs have; where TMPDIR has none it says so and does not start: set another TMPDIR.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { CreateBucketCommand, PutBucketPolicyCommand } from '@aws-sdk/client-s3';
import { DEFAULT_PATIENCE, openClient, type BucketAddress } from '../../stores/bucket-client.ts';
import { eventually } from './eventually.ts';
import { goProgram } from './go-programs.ts';
import { freePort } from './redis-server.ts';
import type { S3Server } from './s3-server.ts';
import { s3Credentials } from './s3-signature.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface Versitygw extends Pick<S3Server, 'endpoint' | 'bucket' | 'environment' | 'close'> {
  address(prefix?: string, bucket?: string): BucketAddress;
  addBucket(name: string): Promise<void>;
  /** Where each object of a bucket is a file: `<bucket>/<key>`. */
  readonly folder: string;
  /** This process may end while it runs. */
  unref(): void;
  /** Anybody may read what is below, signed or not. Of one bucket only the last that was said counts. */
  publicRead(prefix?: string, bucket?: string): Promise<void>;
  /** Whoever comes from this machine may read what these match, signed or not: the policy that `nginx-bucket.conf` asks for. */
  readByEdge(...matching: readonly string[]): Promise<void>;
}

const FIRST_BUCKET = 'cairn';
const REGION = 'us-east-1';

export interface VersitygwOptions {
  /** Where its directory is made; a temporary one that goes when it ends, unless told. */
  readonly home?: string;
  /** A file that gets a line for each request. */
  readonly accessLog?: string;
}

/** Compiled when it is not there yet (`noGo` says where it cannot be). Credentials are set for this process too. */
export async function openVersitygw(
  t: Pick<TestContext, 'after'>,
  { home, accessLog }: VersitygwOptions = {},
): Promise<Versitygw> {
  Object.assign(process.env, s3Credentials);
  const program = await goProgram('versitygw');
  const folder = join(home ?? (await temporaryDirectory(t)), 'buckets');
  await mkdir(folder);
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const listening = ['--port', `127.0.0.1:${port}`, '--region', REGION, '--keep-alive', '--quiet'];
  const logging = accessLog === undefined ? [] : ['--access-log', accessLog];
  const child = spawn(program, [...listening, ...logging, 'posix', folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ROOT_ACCESS_KEY_ID: s3Credentials.AWS_ACCESS_KEY_ID,
      ROOT_SECRET_ACCESS_KEY: s3Credentials.AWS_SECRET_ACCESS_KEY,
    },
  });
  const ended = once(child, 'exit');
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (piece: Buffer) => (said += piece.toString()));
  const address = (prefix = '', bucket = FIRST_BUCKET): BucketAddress => ({
    bucket,
    prefix,
    endpoint,
    region: REGION,
    pathStyle: true,
  });
  const client = openClient(address(), DEFAULT_PATIENCE);
  async function close(): Promise<void> {
    client.destroy();
    child.kill('SIGKILL');
    await ended;
  }
  t.after(close);
  const failed = ended.then(() => Promise.reject(new Error(`versitygw ended:\n${said}`)));
  await Promise.race([eventually(() => fetch(endpoint)), failed]);
  const addBucket = async (name: string): Promise<void> => {
    await client.send(new CreateBucketCommand({ Bucket: name }));
  };
  await addBucket(FIRST_BUCKET);
  return {
    endpoint,
    folder,
    unref() {
      for (const handle of [child, child.stdout, child.stderr]) (handle as { unref?: () => void }).unref?.();
    },
    bucket: FIRST_BUCKET,
    environment: s3Credentials,
    address,
    addBucket,
    async publicRead(prefix = '', bucket = FIRST_BUCKET) {
      const Resource = `arn:aws:s3:::${bucket}/${prefix}*`;
      const Statement = [{ Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource }];
      const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
      await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }));
    },
    async readByEdge(...matching) {
      const Condition = { IpAddress: { 'aws:SourceIp': '127.0.0.1/32' } };
      const allow = (Action: string, Resource: readonly string[]) => ({
        ...{ Effect: 'Allow', Principal: '*', Action, Resource, Condition },
      });
      const arn = `arn:aws:s3:::${FIRST_BUCKET}`;
      const Statement = [
        allow(
          's3:GetObject',
          matching.map((one) => `${arn}/${one}`),
        ),
        allow('s3:ListBucket', [arn]),
      ];
      const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
      await client.send(new PutBucketPolicyCommand({ Bucket: FIRST_BUCKET, Policy }));
    },
    close,
  };
}
