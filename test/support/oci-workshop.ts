/** What all tests of clients of containers begin with: a registry, content to push, and desks where everybody has logged in. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { send } from './http.ts';
import type { DockerDaemon } from './docker-daemon.ts';
import { noOciClients, openOciDesk, type Login, type OciDesk } from './oci-clients.ts';
import {
  digestOf,
  manifestTypes,
  platformIndex,
  runnableImage,
  writeLayout,
  type Descriptor,
  type OciContent,
} from './oci-image.ts';
import { noOciServer, ociServer, type OciServer } from './oci-server.ts';
import type { Exchange } from './recorder.ts';

export interface Manifest {
  readonly mediaType: string;
  readonly layers?: readonly Descriptor[];
  readonly manifests?: readonly Descriptor[];
}

/** A manifest as the registry has it. */
export interface Stored {
  readonly status: number;
  readonly type: string | undefined;
  readonly digest: string;
  manifest(): Manifest;
}

export interface Desk extends OciDesk {
  /** Of the registry, as clients write it. */
  readonly host: string;
}

interface Place {
  /** Such as a recorder's; the registry's own otherwise. */
  readonly url?: string;
  readonly daemon?: DockerDaemon;
}

export interface OciWorkshop {
  readonly server: OciServer;
  /** Can be run, and has four layers, the last of which takes a file away. */
  readonly image: OciContent;
  /** Of the image, in their order. */
  readonly layers: readonly Descriptor[];
  /** Small images for three platforms. */
  readonly index: OciContent;
  /** Its folder has a layout `made`, with the image as `one` and the index as `all`. */
  aDesk(t: Pick<TestContext, 'after'>, place?: Place): Promise<Desk>;
  stored(repository: string, reference: string): Promise<Stored>;
}

/** Why nothing of this works here; undefined when it does. */
export const noWorkshop: string | undefined = noOciServer ?? noOciClients;

/** What the image that can be run prints. */
export const greeting = 'hello from a registry';

/** Words of `podman run`: no network, and no limits that this machine would let nobody raise. */
export const runAlone = [
  ...['run', '--rm', '--network', 'none'],
  ...['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024'],
] as const;

export async function openWorkshop(t: Pick<TestContext, 'after'>): Promise<OciWorkshop> {
  const server = await ociServer(t);
  const image = runnableImage();
  const index = platformIndex('built');
  return {
    server,
    image,
    layers: image.below.slice(1).map(({ descriptor }) => descriptor),
    index,
    async aDesk(during, { url = server.url, daemon } = {}) {
      const { host } = new URL(url);
      const desk = await openOciDesk(during, [host], daemon);
      writeLayout(join(desk.folder, 'made'), { one: image, all: index });
      // The others read what these two write down.
      for (const program of ['skopeo', 'crane'] as const) {
        const { code, output } = await desk.logIn(program, host, server.login);
        assert.equal(code, 0, output);
      }
      return { ...desk, host };
    },
    async stored(repository, reference) {
      const { status, headers, body } = await send(server.url, `/v2/${repository}/manifests/${reference}`, {
        headers: { accept: manifestTypes.join(', '), authorization: basic(server.login) },
      });
      return {
        status,
        type: headers['content-type'],
        digest: digestOf(body),
        manifest: () => JSON.parse(body.toString()) as Manifest,
      };
    },
  };
}

function basic({ username, password }: Login): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** @throws AssertionError unless each of them was mounted at once, and sent by nobody. */
export function assertMounted(exchanges: readonly Exchange[], blobs: readonly Descriptor[]): void {
  for (const { digest } of blobs) {
    const named = exchanges.filter(({ path }) => decodeURIComponent(path).includes(digest));
    const sent = named.filter(({ path }) => /[?&]digest=/.test(path));
    assert.deepEqual(sent, [], `${digest} was sent again`);
    const mounts = named.filter(({ path }) => /[?&]mount=/.test(path));
    assert.deepEqual(
      mounts.map(({ status }) => status),
      [201],
      `mounts of ${digest}`,
    );
  }
}
