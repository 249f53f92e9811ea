/** Pulls everything again and again while others write: what a list names can be pulled at every moment, and all it needs. */
import assert from 'node:assert/strict';
import { digestOf } from '../../core/digest.ts';
import type { Ask } from './asking.ts';
import type { Answer } from './http.ts';
import { danglingIn, ociFilesNow, readManifest } from './oci-reader.ts';
import { ADMIN_TOKEN } from './server-process.ts';

export interface Pulling {
  /** @throws AssertionError what a reader found that leads nowhere. */
  stop(): Promise<void>;
}

/** Two readers: one asks the server, the other looks at the files alone. */
export function startPulling(ask: Ask, names: readonly string[], site: string): Pulling {
  let isStopped = false;
  const loop = async (look: () => Promise<void>): Promise<void> => {
    do await look();
    while (!isStopped);
    // Once more, now that nobody writes.
    await look();
  };
  const reading = Promise.all([
    loop(async () => {
      for (const name of names) await pullAll(ask, name);
    }),
    loop(async () => {
      // Between two turns: nothing is half listed.
      assert.deepEqual(danglingIn(ociFilesNow(site), { isWhole: false }), []);
      await new Promise((next) => setImmediate(next));
    }),
  ]);
  // It is told by `stop`; until then nobody listens.
  reading.catch(() => undefined);
  return {
    async stop() {
      isStopped = true;
      await reading;
    },
  };
}

/** @throws AssertionError unless every tag leads to a manifest, and that to all that it names. */
async function pullAll(ask: Ask, name: string): Promise<void> {
  for (const tag of await tagsOf(ask, name)) {
    const manifest = await get(ask, `v2/${name}/manifests/${tag}`);
    if (manifest) await pullBelow(ask, name, manifest.body);
    // Somebody may have taken it away between the list and the tag.
    else assert.ok(!(await tagsOf(ask, name)).includes(tag), `${name}:${tag} is listed, and is not there`);
  }
}

async function pullBelow(ask: Ask, name: string, bytes: Buffer): Promise<void> {
  const { digest, blobs, manifests } = readManifest(bytes);
  for (const [path, what] of [
    [`v2/${name}/manifests/${digest}`, digest],
    ...blobs.map((blob) => [`v2/${name}/blobs/${blob}`, blob]),
    ...manifests.map((child) => [`v2/${name}/manifests/${child}`, child]),
  ] as const) {
    const got = await get(ask, path ?? '');
    if (got) {
      assert.equal(digestOf(got.body), what, path);
      if (what !== undefined && manifests.includes(what)) await pullBelow(ask, name, got.body);
    } else
      assert.equal(await isNamed(ask, name, digest), false, `${digest} is in ${name}, and ${path} is not`);
  }
}

/** Whether a tag leads there still. */
async function isNamed(ask: Ask, name: string, digest: string): Promise<boolean> {
  for (const tag of await tagsOf(ask, name)) {
    const manifest = await get(ask, `v2/${name}/manifests/${tag}`);
    if (manifest && digestOf(manifest.body) === digest) return true;
  }
  return false;
}

async function tagsOf(ask: Ask, name: string): Promise<readonly string[]> {
  const list = await get(ask, `v2/${name}/tags/list`);
  return list ? (JSON.parse(list.text) as { tags: readonly string[] }).tags : [];
}

async function get(ask: Ask, path: string): Promise<Answer | undefined> {
  const answer = await ask({ path, token: ADMIN_TOKEN });
  if (answer.status === 404) return undefined;
  assert.equal(answer.status, 200, `${path}: ${answer.status} ${answer.text}`);
  return answer;
}
