/** Blobs that are taken from one repository into another (contract, section 4.6), and those that are not there for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import type { Answer } from '../support/http.ts';
import { anImage, assertOciError } from '../support/oci-api.ts';
import {
  assertStands,
  assertTaken,
  NOWHERE,
  openRepositories,
  type OciRepository,
} from '../support/oci-repository.ts';
import { wholeFile } from '../support/whole-file.ts';

const registry = await openRepositories(wholeFile);
const app = await registry.repository('acme/app');

test('a blob is taken from another repository that the caller may pull', async () => {
  const base = await registry.repository('acme/base');
  const bytes = Buffer.from('to be mounted');
  const held = await base.blob(bytes);
  const { layer, config, manifest } = await base.image('1');
  const sha512 = await base.blob('by sha512', 'sha512');
  for (const [i, [what, { digest }, content, query]] of (
    [
      ['held', held, bytes, '&from=acme/base'],
      ['with the host, as crane has it', held, bytes, '&from=acme/base&origin=registry.example'],
      ['escaped', held, bytes, '&from=acme%2Fbase'],
      ['named by a manifest', layer, Buffer.from('layer of 1'), '&from=acme/base'],
      ['by SHA-512', sha512, Buffer.from('by sha512'), '&from=acme/base'],
      ['from where it does not say', held, bytes, ''],
    ] as const
  ).entries()) {
    const to = await registry.repository(`acme/mount-${i}`);
    const answer = await to.ask('POST', `blobs/uploads/?mount=${digest}${query}`);
    assert.equal(answer.status, 201, what);
    await assertTaken(answer, to, content, digest);
    // The rest of that repository has not come with it.
    assertOciError(await to.ask('GET', `blobs/${config.digest}`), 404, 'BLOB_UNKNOWN');
  }
  // It is here to stay, whatever becomes of the other.
  const to = await registry.repository('acme/mount-3');
  await base.ask('DELETE', `manifests/${manifest.digest}`);
  assert.equal((await base.ask('DELETE', `blobs/${layer.digest}`)).status, 202);
  assert.equal((await to.ask('GET', `blobs/${layer.digest}`)).text, 'layer of 1');
  await to.manifest(anImage(layer, [layer]), { tag: '1' });
});

test('a mount into the repository where the blob is already changes nothing', async () => {
  const to = await registry.repository('acme/self');
  const { layer } = await to.image('1');
  const answer = await to.ask('POST', `blobs/uploads/?mount=${layer.digest}&from=acme/self`);
  await assertTaken(answer, to, Buffer.from('layer of 1'), layer.digest);
});

test('a mount that cannot be begins an upload instead, and tells nothing', async () => {
  const theirs = await registry.repository('other/secret');
  const { layer } = await theirs.image('1', 'what nobody else has');
  const waiting = await theirs.blob('held by others');
  await registry.hide(theirs);
  const to = await registry.repository('acme/wishful');
  const wishes: Readonly<Record<string, string>> = {
    'a blob that is nowhere': `mount=${NOWHERE}&from=acme/base`,
    'a blob that is nowhere, from anywhere': `mount=${NOWHERE}`,
    'from a repository that is not there': `mount=${layer.digest}&from=acme/nowhere`,
    'from a repository that has others': `mount=${layer.digest}&from=acme/base`,
    'from one that the caller may not pull': `mount=${layer.digest}&from=other/secret`,
    'what is held there': `mount=${waiting.digest}&from=other/secret`,
    'from wherever it is': `mount=${layer.digest}`,
    'what is held somewhere': `mount=${waiting.digest}`,
    'from what is no repository': `mount=${layer.digest}&from=../other/secret`,
    'from nothing': `mount=${layer.digest}&from=`,
    'what is no digest': 'mount=latest&from=acme/base',
    'a digest that nobody can compute': `mount=md5:${'0'.repeat(32)}&from=acme/base`,
    nothing: 'mount=&from=acme/base',
  };
  for (const [what, wish] of Object.entries(wishes)) {
    const answer = await to.ask('POST', `blobs/uploads/?${wish}`);
    assert.equal(answer.status, 202, what);
    assertStands(answer, 202, String(answer.headers.location), '0-0');
    assert.match(String(answer.headers.location), /^\/v2\/acme\/wishful\/blobs\/uploads\//);
    assert.equal((await to.at('DELETE', String(answer.headers.location))).status, 204);
  }
  for (const { digest } of [layer, waiting])
    assertOciError(await to.ask('HEAD', `blobs/${digest}`).then(getAgain(to, digest)), 404, 'BLOB_UNKNOWN');
});

/** A HEAD has no body to look at. */
function getAgain(to: OciRepository, digest: string): (head: Answer) => Promise<Answer> {
  return (head) => {
    assert.deepEqual([head.status, head.text], [404, '']);
    return to.ask('GET', `blobs/${digest}`);
  };
}

test('a mount that cannot be may bring the blob itself', async () => {
  const to = await registry.repository('acme/careful');
  const bytes = Buffer.from('brought along');
  const digest = digestOf(bytes);
  const answer = await to.ask('POST', `blobs/uploads/?mount=${digest}&from=acme/base&digest=${digest}`, {
    body: bytes,
  });
  await assertTaken(answer, to, bytes, digest);
});

test('a blob that was pushed to one repository is in no other', async () => {
  const { digest } = await app.blob('only here');
  const neighbours = ['acme/app-2', 'acme/ap', 'acme/app/deeper', 'acme'];
  for (const name of neighbours) {
    const to = await registry.repository(name);
    assertOciError(await to.ask('GET', `blobs/${digest}`), 404, 'BLOB_UNKNOWN');
    assertOciError(
      await to.ask('PUT', 'manifests/1', {
        headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
        body: JSON.stringify(anImage({ mediaType: 'a/b', digest, size: 9 }, [])),
      }),
      400,
      'MANIFEST_BLOB_UNKNOWN',
    );
  }
});
