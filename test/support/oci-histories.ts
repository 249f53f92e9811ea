/** Random histories of OCI repositories: manifests that share blobs and subjects, tags that move, deletes of both. */
import fc from 'fast-check';
import type { Command } from '../../core/decide.ts';
import type { MemorySite } from '../../stores/memory.ts';
import type { Step } from './histories.ts';
import type { OciFiles } from './oci-reader.ts';
import { anArtifact, someSettings } from './registry.ts';

export const ociMounts = { oci: '/v2' } as const;

const image = 'application/vnd.oci.image.manifest.v1+json';
const index = 'application/vnd.oci.image.index.v1+json';

/** Any text stands for some bytes. */
export function ociDigest(what: string): string {
  return anArtifact('oci', what).digest;
}

export interface OciManifest {
  readonly name: string;
  readonly what: string;
  readonly mediaType?: string;
  readonly blobs?: readonly string[];
  readonly manifests?: readonly string[];
  readonly subject?: string;
}

/** What a push of a manifest plans, without its tag. */
export function pushOf({
  name,
  what,
  mediaType = image,
  blobs = [],
  manifests = [],
  subject,
}: OciManifest): Command & { readonly kind: 'publish' } {
  return {
    kind: 'publish',
    ecosystem: 'oci',
    name,
    version: ociDigest(what),
    artifacts: [{ ...anArtifact('oci', what), role: 'manifest', mediaType }],
    meta: {
      blobs: blobs.map((blob) => [ociDigest(blob), 3]),
      ...(manifests.length > 0 ? { manifests: manifests.map(ociDigest) } : {}),
      ...(subject === undefined
        ? {}
        : { subject: ociDigest(subject), artifactType: 'application/x', annotations: { of: what } }),
    },
  };
}

export function tagOf(name: string, ref: string, what: string): Command {
  return { kind: 'set-ref', ecosystem: 'oci', name, ref, target: ociDigest(what) };
}

/** The push of an index `c` that lists `a` and `b`. */
export function ociIndex(name: string): Command {
  return pushOf({ name, what: 'c', mediaType: index, manifests: ['a', 'b'] });
}

/** What a manifest names follows from what it is: one digest always means the same. */
const manifests: readonly Omit<OciManifest, 'name'>[] = [
  { what: 'a', blobs: ['config', 'layer 1'] },
  { what: 'b', blobs: ['config', 'layer 1', 'layer 2'] },
  { what: 'c', blobs: [], mediaType: index, manifests: ['a', 'b'] },
  { what: 'signature 1', blobs: ['config'], subject: 'a' },
  { what: 'signature 2', blobs: ['config', 'layer 2'], subject: 'a' },
  { what: 'of what never comes', blobs: ['config'], subject: 'z' },
];

/** A site in memory as somebody reads it who has pushed these manifests. */
export function ociFilesOf({ files }: Pick<MemorySite, 'files'>): OciFiles {
  return {
    paths: new Set(files.keys()),
    manifest(path) {
      const body = files.get(path);
      const digest = body && 'blob' in body ? body.blob : '';
      const { blobs = [], manifests: children = [] } =
        manifests.find(({ what }) => ociDigest(what) === digest) ?? {};
      return { digest, blobs: blobs.map(ociDigest), manifests: children.map(ociDigest) };
    },
    text(path) {
      const body = files.get(path);
      return body instanceof Uint8Array ? Buffer.from(body).toString('utf8') : '';
    },
  };
}

export function ociSteps(size: { min: number; max: number }): fc.Arbitrary<Step[]> {
  const name = fc.constantFrom('ann/app', 'ann/team/app', 'ann');
  const manifest = fc.constantFrom(...manifests);
  const tag = fc.constantFrom('latest', '1.0', 'sha256-abc.sig');
  const ref = fc.record({ name, tag, manifest });
  const push = fc
    .record({ name, manifest, hidden: fc.nat(4) })
    .map(({ name, manifest, hidden }): Command => ({
      ...pushOf({ name, ...manifest }),
      ...(hidden === 0 ? { visibility: 'private' } : {}),
    }));
  const ofName = { ecosystem: 'oci' } as const;
  const rarer: fc.Arbitrary<Command>[] = [
    fc.record({ name, manifest }).map(({ name, manifest }): Command => ({
      kind: 'withdraw',
      ...ofName,
      name,
      version: ociDigest(manifest.what),
    })),
    fc
      .record({ name, tag })
      .map(({ name, tag }): Command => ({ kind: 'remove-ref', ...ofName, name, ref: tag })),
    name.map((name): Command => ({ kind: 'withdraw', ...ofName, name })),
    name.map((name): Command => ({
      kind: 'withdraw-artifact',
      ...ofName,
      name,
      artifact: ociDigest('layer 2'),
    })),
    fc
      .record({ name, visibility: fc.constantFrom('public' as const, 'private' as const) })
      .map(({ name, visibility }): Command => ({ kind: 'set-visibility', ...ofName, name, visibility })),
    fc.constant<Command>({ kind: 'add-owner', ...ofName, name: 'ann', of: 'namespace', owner: 'bob' }),
    fc
      .constantFrom(
        someSettings({ mounts: ociMounts }),
        someSettings({ mounts: ociMounts, publicUrl: 'https://other.example' }),
      )
      .map((settings): Command => ({ kind: 'change-settings', settings })),
  ];
  const command = fc.oneof(
    { weight: 6, arbitrary: push },
    { weight: 5, arbitrary: ref.map(({ name, tag, manifest }) => tagOf(name, tag, manifest.what)) },
    { weight: 6, arbitrary: fc.oneof(...rarer) },
  );
  return fc.array(
    command.map((command): Step => ({ do: 'execute', command })),
    { minLength: size.min, maxLength: size.max },
  );
}
