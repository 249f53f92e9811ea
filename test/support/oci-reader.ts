/** Reads the files of repositories as a client does that has no API behind them: from each list to what it names, and on. */

export interface OciFiles {
  readonly paths: ReadonlySet<string>;
  /** What the bytes of a file below `manifests/` say. */
  manifest(path: string): ReadManifest;
  text(path: string): string;
}

export interface ReadManifest {
  readonly digest: string;
  readonly blobs: readonly string[];
  readonly manifests: readonly string[];
}

interface Where {
  /** `v2/acme/app` */
  readonly repository: string;
  readonly files: OciFiles;
}

/** What leads nowhere, as sentences. An index may list what somebody has deleted, which `isWhole` says nobody has. */
export function danglingIn(files: OciFiles, { isWhole = true } = {}): readonly string[] {
  const found: string[] = [];
  for (const path of files.paths) {
    const [, repository, kind, rest] = /^(v2\/.+)\/(manifests|tags|referrers)\/([^/]+)$/.exec(path) ?? [];
    if (repository === undefined || rest === undefined) continue;
    const where = { repository, files };
    if (kind === 'manifests') found.push(...ofManifest(where, path, isWhole));
    else if (kind === 'tags') found.push(...ofTags(where, path));
    else found.push(...ofReferrers(where, path));
  }
  return found;
}

function* ofManifest({ repository, files }: Where, path: string, isWhole: boolean): Iterable<string> {
  const { digest, blobs, manifests } = files.manifest(path);
  // Whoever asks for a tag is told its digest, and may go on with that.
  if (!hasManifest({ repository, files }, digest)) yield `${path} is ${digest}, which is not there`;
  for (const blob of blobs)
    if (!files.paths.has(`${repository}/blobs/${blob}`)) yield `${path} names the blob ${blob}`;
  for (const child of isWhole ? manifests : [])
    if (!hasManifest({ repository, files }, child)) yield `${path} lists ${child}`;
}

function* ofTags(where: Where, path: string): Iterable<string> {
  const { tags } = JSON.parse(where.files.text(path)) as { tags: readonly string[] };
  for (const tag of tags) if (!hasManifest(where, tag)) yield `${path} names the tag ${tag}`;
}

function* ofReferrers(where: Where, path: string): Iterable<string> {
  const { manifests } = JSON.parse(where.files.text(path)) as { manifests: readonly { digest: string }[] };
  for (const { digest } of manifests) if (!hasManifest(where, digest)) yield `${path} names ${digest}`;
}

const suffixes = ['image', 'index'].flatMap((kind) =>
  ['oci', 'docker'].flatMap((family) => [`${family}-${kind}`, `${family}-${kind}-sha512`]),
);

function hasManifest({ repository, files }: Where, reference: string): boolean {
  return suffixes.some((suffix) => files.paths.has(`${repository}/manifests/${reference}.${suffix}`));
}
