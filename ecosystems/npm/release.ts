/** A tarball that was read and agreed with, as what the log will say of it: the same for every way of publishing. */
import type { Command } from '../../core/decide.ts';
import { RegistryError } from '../../core/errors.ts';
import type { StagedBlob } from '../../core/ports.ts';
import type { Call } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import type { attestationsFrom } from './attestations.ts';
import type { Manifest, NpmMeta } from './manifest.ts';
import { signedText } from './signing.ts';
import type { TarballContent } from './tarball.ts';

/** What the publisher says of who may see it; undefined where nothing is said. */
export type Access = 'public' | 'restricted' | undefined;

export interface NewRelease {
  readonly name: string;
  /** As `manifestOf` gives it. */
  readonly manifest: Manifest;
  readonly content: TarballContent;
  readonly tarball: StagedBlob;
  readonly provenance?: Awaited<ReturnType<typeof attestationsFrom>>;
}

export interface PreparedRelease {
  /** For the intent. */
  readonly blobs: readonly StagedBlob[];
  /** What publishes it, and puts it at these tags. @throws RegistryError `conflict` */
  commands(
    view: StateView,
    wanted: { readonly access: Access; readonly tags: readonly string[] },
  ): readonly Command[];
}

export async function prepareRelease(call: Call, release: NewRelease): Promise<PreparedRelease> {
  const { name, manifest, content, tarball, provenance } = release;
  const version = manifest['version'] as string;
  const readme = content.readme && (await call.stageText(content.readme.text));
  const meta = await call.keepMeta({
    manifest: JSON.stringify(manifest),
    integrity: content.integrity,
    shasum: content.shasum,
    fileCount: content.fileCount,
    unpackedSize: content.unpackedSize,
    ...(content.readme ? { readmeFilename: content.readme.filename } : {}),
    ...(provenance ? { predicateType: provenance.predicateType } : {}),
  } satisfies NpmMeta);
  const artifacts = [
    { role: 'tarball', ...blobFields(tarball), mediaType: 'application/octet-stream' },
    ...(readme ? [{ role: 'readme', ...blobFields(readme), mediaType: 'text/markdown' }] : []),
    ...(provenance
      ? [{ role: 'attestations', ...blobFields(provenance.blob), mediaType: 'application/json' }]
      : []),
  ];
  return {
    blobs: [tarball, ...meta.blobs, ...(readme ? [readme] : []), ...(provenance ? [provenance.blob] : [])],
    commands(view, { access, tags }) {
      const { visibility, hiding } = visibilityOf(access, name, view);
      const signatures = call.signaturesOf(view, 'npm', signedText(name, version, content.integrity));
      return [
        ...hiding,
        {
          kind: 'publish',
          ecosystem: 'npm',
          name,
          version,
          artifacts,
          ...meta.fields,
          signatures,
          ...visibility,
        },
        ...tags.map((ref) => ({ kind: 'set-ref', ecosystem: 'npm', name, ref, target: version }) as const),
      ];
    },
  };
}

export function blobFields({ digest, size }: StagedBlob): { digest: string; size: number } {
  return { digest, size };
}

/**
 * Where the publisher does not say, what is new is what the operator wants, and what is there stays as it is. That a name is
 * reserved is known to all; nothing that is published there has to be: it is hidden first.
 * @throws RegistryError `conflict`: what is meant for few must not be published to all because the package is public.
 */
export function visibilityOf(
  access: Access,
  name: string,
  view: StateView,
): { readonly visibility: { visibility?: 'private' }; readonly hiding: readonly Command[] } {
  const existing = view.package('npm', name);
  const isNew = !existing || (existing.releases.size === 0 && existing.refs.size === 0);
  const byDefault = isNew && name.startsWith('@') ? view.settings.npm?.defaultAccess : undefined;
  if ((access ?? byDefault) !== 'restricted') return { visibility: {}, hiding: [] };
  const visibility = 'private';
  if (existing?.visibility !== 'public') return { visibility: { visibility }, hiding: [] };
  if (existing.releases.size > 0)
    throw new RegistryError(
      'conflict',
      `${name} is public: restrict it first (npm access set status=private ${name}), or publish without --access restricted`,
    );
  return {
    visibility: { visibility },
    hiding: [{ kind: 'set-visibility', ecosystem: 'npm', name, visibility }],
  };
}
