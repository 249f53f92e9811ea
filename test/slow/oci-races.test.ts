/** Clients that do things at the same time: every answer is true, and at every moment what is listed can be pulled whole. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { asker, type Ask } from '../support/asking.ts';
import type { Answer } from '../support/http.ts';
import { anImage, anIndex, assertOciError, IMAGE, type Descriptor } from '../support/oci-api.ts';
import { startPulling } from '../support/oci-pulling.ts';
import { danglingIn, ociFilesNow } from '../support/oci-reader.ts';
import { ociServerEnv } from '../support/oci-traffic.ts';
import { chooseSeed, seededRandom } from '../support/seeded-random.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { filesBelow } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';

const ROUNDS = 12;
const seed = chooseSeed();
const random = seededRandom(seed);

interface Desk {
  readonly ask: Ask;
  readonly anonymous: Ask;
  readonly data: string;
}

/** Whatever these clients do, readers pull meanwhile. */
function race(title: string, names: readonly string[], run: (desk: Desk) => Promise<void>): void {
  test(title, async (t) => {
    t.diagnostic(`CAIRN_SEED=${seed}`);
    const { url, data } = await openTestServer(t, ociServerEnv);
    const anonymous = asker({ url }, '');
    const pulling = startPulling(anonymous, names, join(data, 'site'));
    try {
      await run({ anonymous, ask: (asked) => anonymous({ token: ADMIN_TOKEN, ...asked }), data });
    } finally {
      await pulling.stop();
    }
  });
}

/** Some turns of the event loop, so that requests meet each other at other points each time. */
async function aWhile(): Promise<void> {
  for (let turns = random.below(12); turns > 0; turns -= 1) await new Promise((next) => setImmediate(next));
}

/** Sent at the same time, or nearly, in any order. */
async function atOnce<T extends readonly (() => Promise<Answer>)[]>(
  ...requests: T
): Promise<{ [I in keyof T]: Answer }> {
  const answers: Answer[] = [];
  const order = random.sample([...requests.keys()], requests.length);
  await Promise.all(
    order.map(async (i) => {
      await aWhile();
      answers[i] = await (requests[i] as () => Promise<Answer>)();
    }),
  );
  return answers as unknown as { [I in keyof T]: Answer };
}

const pushBlob = ({ ask }: Desk, name: string, bytes: Buffer): Promise<Answer> =>
  ask({ method: 'POST', path: `v2/${name}/blobs/uploads/?digest=${digestOf(bytes)}`, body: bytes });

const pushManifest = ({ ask }: Desk, name: string, reference: string, manifest: object): Promise<Answer> =>
  ask({
    method: 'PUT',
    path: `v2/${name}/manifests/${reference}`,
    body: JSON.stringify(manifest),
    headers: { 'content-type': (manifest as { mediaType: string }).mediaType },
  });

const remove = ({ ask }: Desk, path: string): Promise<Answer> => ask({ method: 'DELETE', path });

const get = ({ ask }: Desk, path: string): Promise<Answer> => ask({ path });

const setVisibility = ({ ask }: Desk, name: string, visibility: string): Promise<Answer> =>
  ask({ method: 'PUT', path: `api/v1/${name}/visibility`, json: { visibility } });

function described(bytes: Buffer): Descriptor {
  return { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: bytes.length };
}

function digestOfManifest(manifest: object): string {
  return digestOf(JSON.stringify(manifest));
}

/** An image whose blobs are there, and no manifest. */
async function anImageToPush(
  desk: Desk,
  name: string,
  what: string,
): Promise<{ manifest: object; layer: Descriptor }> {
  const [config, layer] = [Buffer.from(JSON.stringify({ what })), Buffer.from(`layer of ${what}`)];
  for (const bytes of [config, layer]) assert.equal((await pushBlob(desk, name, bytes)).status, 201);
  return { manifest: anImage(described(config), [described(layer)]), layer: described(layer) };
}

async function assertPushed(desk: Desk, name: string, reference: string, manifest: object): Promise<void> {
  const answer = await pushManifest(desk, name, reference, manifest);
  assert.equal(answer.status, 201, answer.text);
}

async function isThere(desk: Desk, path: string): Promise<boolean> {
  const { status, text } = await get(desk, path);
  assert.ok(status === 200 || status === 404, `${path}: ${status} ${text}`);
  return status === 200;
}

const repositories = ['acme/one', 'acme/two', 'acme/team/three'];

race('many clients push one image into several repositories', repositories, async (desk) => {
  const [config, layer] = [Buffer.from('{"os":"linux"}'), Buffer.from('layer '.repeat(20_000))];
  const manifest = anImage(described(config), [described(layer)]);
  const client = async (name: string, tag: string): Promise<void> => {
    await aWhile();
    for (const blob of await Promise.all([config, layer].map((bytes) => pushBlob(desk, name, bytes))))
      assert.equal(blob.status, 201, blob.text);
    await assertPushed(desk, name, tag, manifest);
    assert.equal((await get(desk, `v2/${name}/manifests/${tag}`)).text, JSON.stringify(manifest));
    assert.ok((await get(desk, `v2/${name}/blobs/${described(layer).digest}`)).body.equals(layer));
  };
  await Promise.all(repositories.flatMap((name) => ['a', 'a', 'b', 'c'].map((tag) => client(name, tag))));
  const { events } = JSON.parse((await get(desk, 'readyz')).text) as { events: number };
  // The genesis and the namespace; of each repository the manifest and three tags.
  assert.equal(events, 2 + repositories.length * 4);
  assert.equal((await filesBelow(join(desk.data, 'blobs/sha256'))).length, 3);
});

race(
  'uploads of one digest, in pieces and at once, from elsewhere and to one conversation',
  ['acme/app'],
  async (desk) => {
    const uploads = 'v2/acme/app/blobs/uploads/';
    for (let round = 0; round < ROUNDS; round += 1) {
      const bytes = Buffer.from(`round ${round} `.repeat(5_000));
      const { digest } = described(bytes);
      assert.equal((await pushBlob(desk, 'acme/other', bytes)).status, 201);
      const begin = async (): Promise<string> => {
        const begun = await desk.ask({ method: 'POST', path: uploads });
        assert.equal(begun.status, 202, begun.text);
        return String(begun.headers.location).slice(1);
      };
      const inPieces = async (): Promise<Answer> => {
        const path = await begin();
        assert.equal((await desk.ask({ method: 'PATCH', path, body: bytes })).status, 202);
        return desk.ask({ method: 'PUT', path: `${path}?digest=${digest}` });
      };
      const mount = (): Promise<Answer> =>
        desk.ask({ method: 'POST', path: `${uploads}?mount=${digest}&from=acme/other` });
      const answers = await atOnce(inPieces, inPieces, mount, () => pushBlob(desk, 'acme/app', bytes));
      assert.deepEqual(
        answers.map(({ status }) => status),
        [201, 201, 201, 201],
      );
      assert.ok((await get(desk, `v2/acme/app/blobs/${digest}`)).body.equals(bytes));

      // Two that believe that a conversation is theirs.
      const path = await begin();
      const whole = { 'content-range': `0-${bytes.length - 1}` };
      const add = (): Promise<Answer> => desk.ask({ method: 'PATCH', path, body: bytes, headers: whole });
      const added = await atOnce(add, add);
      const refused = added.find(({ status }) => status !== 202);
      assert.equal(added.filter(({ status }) => status === 202).length, 1);
      assert.equal(refused?.status, 416, refused?.text);
      const end = (): Promise<Answer> => desk.ask({ method: 'PUT', path: `${path}?digest=${digest}` });
      const ended = await atOnce(end, end);
      assert.equal(
        ended.filter(({ status }) => status === 201).length,
        1,
        ended.map(({ text }) => text).join(),
      );
      const late = ended.find(({ status }) => status !== 201);
      // Over, or still being ended by the other one.
      assert.ok(late?.status === 404 || late?.status === 416, late?.text);
    }
    assert.deepEqual(await filesBelow(join(desk.data, 'uploads/open')), []);
  },
);

/** When something was asked for and answered, in the order in which the clients saw it. */
interface Span {
  readonly digest: string;
  readonly from: number;
  readonly to: number;
}

race(
  'pushes that move one tag: whoever reads it never gets what was overwritten before',
  ['acme/app'],
  async (desk) => {
    let tick = 0;
    const [writes, reads]: [Span[], Span[]] = [[], []];
    const { manifest } = await anImageToPush(desk, 'acme/app', 'image');
    let isOver = false;
    const read = async (): Promise<void> => {
      const from = (tick += 1);
      const { status, body } = await get(desk, 'v2/acme/app/manifests/latest');
      assert.equal(status, 200);
      reads.push({ digest: digestOf(body), from, to: (tick += 1) });
    };
    const write = async (what: string): Promise<void> => {
      const mine = { ...manifest, annotations: { what } };
      const from = (tick += 1);
      await assertPushed(desk, 'acme/app', 'latest', mine);
      writes.push({ digest: digestOfManifest(mine), from, to: (tick += 1) });
    };
    await write('first');
    const reader = (async () => {
      while (!isOver) await read();
    })();
    try {
      await Promise.all(
        ['a', 'b', 'c'].map(async (client) => {
          for (let round = 0; round < ROUNDS; round += 1) {
            await aWhile();
            await write(`${client} ${round}`);
          }
        }),
      );
      for (const what of ['last but one', 'last']) await write(what);
    } finally {
      isOver = true;
      await reader;
    }
    await read();
    assert.equal(reads.at(-1)?.digest, writes.at(-1)?.digest);
    for (const one of reads) {
      const written = writes.find(({ digest }) => digest === one.digest);
      assert.ok(written && written.from < one.to, 'read before it was pushed');
      const later = writes.find((write) => written.to < write.from && write.to < one.from);
      assert.equal(later, undefined, `${one.digest} was read after it had been overwritten`);
    }
    for (const { digest } of writes) assert.ok(await isThere(desk, `v2/acme/app/manifests/${digest}`));
  },
);

race('a push of a manifest and the delete of a blob that it names', ['acme/app'], async (desk) => {
  const outcomes = new Set<string>();
  for (let round = 0; round < 2 * ROUNDS; round += 1) {
    // Also where there is no repository yet.
    const name = round % 2 === 0 ? 'acme/app' : `acme/new-${round}`;
    const { manifest, layer } = await anImageToPush(desk, name, `image ${round}`);
    const [digest, blob] = [digestOfManifest(manifest), `v2/${name}/blobs/${layer.digest}`];
    const [pushed, deleted] = await atOnce(
      () => pushManifest(desk, name, `t${round}`, manifest),
      () => remove(desk, blob),
    );
    outcomes.add(`${pushed.status} ${deleted.status}`);
    if (pushed.status === 201) {
      assertOciError(deleted, 405, 'UNSUPPORTED');
      assert.ok(await isThere(desk, blob), 'a manifest names it');
    } else {
      assertOciError(pushed, 400, 'MANIFEST_BLOB_UNKNOWN');
      assert.equal(deleted.status, 202, deleted.text);
      assert.equal(await isThere(desk, blob), false);
      assert.equal(await isThere(desk, `v2/${name}/manifests/${digest}`), false);
      assert.equal(await isThere(desk, `v2/${name}/manifests/t${round}`), false);
    }
  }
  assert.ok(outcomes.size > 1, [...outcomes].join());
});

race(
  'a push of a manifest and the delete of the only other one that names its layer',
  ['acme/app'],
  async (desk) => {
    const name = 'acme/app';
    for (let round = 0; round < ROUNDS; round += 1) {
      const { manifest, layer } = await anImageToPush(desk, name, `image ${round}`);
      await assertPushed(desk, name, 'old', manifest);
      // As when it was let go of, a while after it was pushed: nothing but the manifest keeps it here.
      for (const mark of await filesBelow(join(desk.data, 'uploads/held'))) rmSync(mark);
      const young = { ...manifest, annotations: { round: String(round) } };
      const [pushed, deleted] = await atOnce(
        () => pushManifest(desk, name, 'young', young),
        () => remove(desk, `v2/${name}/manifests/${digestOfManifest(manifest)}`),
      );
      assert.equal(deleted.status, 202, deleted.text);
      assert.equal(pushed.status, 201, pushed.text);
      assert.equal((await get(desk, `v2/${name}/manifests/young`)).text, JSON.stringify(young));
      assert.ok(await isThere(desk, `v2/${name}/blobs/${layer.digest}`));
      assert.ok(ociFilesNow(join(desk.data, 'site')).paths.has(`v2/${name}/blobs/${layer.digest}`));
    }
  },
);

race('a push and changes of visibility', ['acme/app'], async (desk) => {
  const name = 'acme/app';
  const { manifest } = await anImageToPush(desk, name, 'image');
  await assertPushed(desk, name, 'first', manifest);
  for (let round = 0; round < ROUNDS; round += 1) {
    const mine = { ...manifest, annotations: { round: String(round) } };
    const last = round % 2 === 0 ? 'private' : 'public';
    const answers = await atOnce(
      () => pushManifest(desk, name, `t${round}`, mine),
      () => setVisibility(desk, name, last),
      () => pushManifest(desk, name, 'latest', mine),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      [201, 200, 201],
    );
    for (const tag of [`t${round}`, 'latest']) {
      assert.equal((await get(desk, `v2/${name}/manifests/${tag}`)).text, JSON.stringify(mine));
      const { status } = await desk.anonymous({ path: `v2/${name}/manifests/${tag}` });
      assert.equal(status, last === 'private' ? 401 : 200);
    }
    const shown = [...ociFilesNow(join(desk.data, 'site')).paths].filter((path) =>
      path.includes(`/${name}/`),
    );
    assert.equal(shown.length > 0, last === 'public', shown.join());
  }
});

race('the delete of a manifest and pushes of it under tags', ['acme/app'], async (desk) => {
  const name = 'acme/app';
  const { manifest } = await anImageToPush(desk, name, 'image');
  const digest = digestOfManifest(manifest);
  const outcomes = new Set<string>();
  for (let round = 0; round < 2 * ROUNDS; round += 1) {
    await assertPushed(desk, name, 'before', manifest);
    const [deleted, tagged, again] = await atOnce(
      () => remove(desk, `v2/${name}/manifests/${digest}`),
      () => pushManifest(desk, name, 'tagged', manifest),
      () => remove(desk, `v2/${name}/manifests/${digest}`),
    );
    assert.equal(tagged.status, 201, tagged.text);
    const gone = [deleted, again].map(({ status }) => status).sort();
    assert.ok(gone.join() === '202,202' || gone.join() === '202,404', gone.join());
    const there = [digest, 'tagged', 'before'].map((reference) =>
      isThere(desk, `v2/${name}/manifests/${reference}`),
    );
    const [byDigest, byTag, byOldTag] = await Promise.all(there);
    assert.equal(byTag, byDigest);
    assert.equal(byOldTag, false, 'its tags went with it');
    outcomes.add(`${gone.join()} ${byDigest}`);
    assert.deepEqual(danglingIn(ociFilesNow(join(desk.data, 'site'))), []);
  }
  assert.ok(outcomes.size > 1, [...outcomes].join());
});

race('a mount and the delete of the blob where it comes from', ['acme/app', 'acme/from'], async (desk) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const bytes = Buffer.from(`round ${round}`);
    const { digest } = described(bytes);
    await anImageToPush(desk, 'acme/from', 'image');
    assert.equal((await pushBlob(desk, 'acme/from', bytes)).status, 201);
    const [mounted, deleted] = await atOnce(
      () => desk.ask({ method: 'POST', path: `v2/acme/app/blobs/uploads/?mount=${digest}&from=acme/from` }),
      () => remove(desk, `v2/acme/from/blobs/${digest}`),
    );
    assert.equal(deleted.status, 202, deleted.text);
    assert.equal(await isThere(desk, `v2/acme/from/blobs/${digest}`), false);
    if (mounted.status === 201)
      assert.equal((await get(desk, `v2/acme/app/blobs/${digest}`)).text, `round ${round}`);
    else {
      assert.equal(mounted.status, 202, mounted.text);
      assert.equal(await isThere(desk, `v2/acme/app/blobs/${digest}`), false);
      await remove(desk, String(mounted.headers.location).slice(1));
    }
  }
});

race(
  'an index and the images that it lists, pushed as fast as the answers come, and taken away',
  ['acme/app'],
  async (desk) => {
    const name = 'acme/app';
    for (let round = 0; round < ROUNDS; round += 1) {
      const images = await Promise.all(
        ['amd64', 'arm64'].map((platform) => anImageToPush(desk, name, `${platform} ${round}`)),
      );
      const children = images.map(({ manifest }) => ({
        mediaType: IMAGE,
        digest: digestOfManifest(manifest),
        size: JSON.stringify(manifest).length,
      }));
      const index = anIndex(children);
      const early = pushManifest(desk, name, `t${round}`, index);
      const pushed = await atOnce(
        ...images.map(
          ({ manifest }, i) =>
            () =>
              pushManifest(desk, name, children[i]?.digest ?? '', manifest),
        ),
      );
      for (const { status, text } of pushed) assert.equal(status, 201, text);
      const first = await early;
      if (first.status !== 201) assertOciError(first, 400, 'MANIFEST_BLOB_UNKNOWN');
      await assertPushed(desk, name, `t${round}`, index);
      const [tag, whole] = await atOnce(
        () => remove(desk, `v2/${name}/manifests/t${round}`),
        () => remove(desk, `v2/${name}/manifests/${digestOfManifest(index)}`),
      );
      assert.equal(whole.status, 202, whole.text);
      assert.ok(tag.status === 202 || tag.status === 404, tag.text);
      for (const reference of [`t${round}`, digestOfManifest(index)])
        assert.equal(await isThere(desk, `v2/${name}/manifests/${reference}`), false);
    }
  },
);
