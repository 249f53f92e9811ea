/** What a registry keeps: to show that a refusal leaves nothing behind. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { remoteControl, type TokenWish } from '../../api/control.ts';
import { send } from './http.ts';

export interface StoredState {
  readonly events: number;
  readonly blobs: readonly string[];
  /** Uploads that are half received, or that nobody has thrown away. */
  readonly incoming: readonly string[];
  /** Conversations of uploads, and blobs that no event names yet. */
  readonly uploads: readonly string[];
}

export async function storedState({ url, data }: { url: string; data: string }): Promise<StoredState> {
  const { events } = JSON.parse((await send(url, '/readyz')).text) as { events: number };
  const blobs = [
    ...(await filesBelow(join(data, 'blobs/sha256'))),
    ...(await filesBelow(join(data, 'blobs/sha512'))),
  ];
  return {
    events,
    blobs,
    incoming: await incomingOf(data),
    uploads: await filesBelow(join(data, 'uploads')),
  };
}

export function incomingOf(data: string): Promise<readonly string[]> {
  return filesBelow(join(data, 'blobs/incoming'));
}

/** Paths of files, sorted; none when the directory is not there. */
export async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** A token made as the command line makes one beside a running server. */
export async function makeToken(data: string, wanted: Partial<TokenWish> = {}): Promise<string> {
  const { token } = await remoteControl(join(data, 'control.sock')).createToken({
    handle: 'alice',
    label: '',
    scopes: ['publish'],
    ...wanted,
  });
  return token;
}
