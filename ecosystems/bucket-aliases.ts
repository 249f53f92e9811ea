/**
 * A bucket in the words of another server, said in ours: `CAIRN_BUCKET` and what belongs to it. Blobs and site lie below it as
 * `blobs` and `site`; what that server keeps there under other names stays as it is, and is not read.
 */
import { RegistryError } from '../core/errors.ts';
import type { Environment } from './ecosystem.ts';

/** What of a bucket such a server can be told. */
export type BucketWord =
  'bucket' | 'prefix' | 'region' | 'endpoint' | 'pathStyle' | 'accessKeyId' | 'secretAccessKey';

/** A variable of that server, and what it says. */
export interface SaidWord {
  readonly name: string;
  readonly value: string | undefined;
}

/** @throws RegistryError `bad-request` for what cannot be meant, by the name of the variable; secrets are never repeated. */
export function bucketVariables(
  said: Partial<Readonly<Record<BucketWord, SaidWord>>> & { readonly bucket: SaidWord },
): Environment {
  const { bucket, prefix, region, endpoint, pathStyle, accessKeyId, secretAccessKey } = said;
  if (bucket.value === undefined)
    throw new RegistryError(
      'bad-request',
      `storage in a bucket is asked for, and none is named: say ${bucket.name}`,
    );
  const below = prefix?.value?.replace(/^\/+|\/+$/g, '');
  checkPair(accessKeyId, secretAccessKey);
  return {
    CAIRN_BUCKET: `s3://${bucket.value}${below ? `/${below}` : ''}`,
    CAIRN_S3_REGION: region?.value,
    CAIRN_S3_ENDPOINT: endpoint && originIn(endpoint),
    CAIRN_S3_PATH_STYLE: pathStyle && switchIn(pathStyle),
    CAIRN_S3_ACCESS_KEY_ID: accessKeyId?.value,
    CAIRN_S3_SECRET_ACCESS_KEY: secretAccessKey?.value,
  };
}

/** One of them alone would be taken together with a half of somebody else's. */
function checkPair(id: SaidWord | undefined, secret: SaidWord | undefined): void {
  if (!id || !secret || (id.value === undefined) === (secret.value === undefined)) return;
  const [given, missing] = id.value === undefined ? [secret, id] : [id, secret];
  throw new RegistryError('bad-request', `${given.name} without ${missing.name}: say both, or none`);
}

function originIn({ name, value }: SaidWord): string | undefined {
  if (value === undefined) return undefined;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.pathname === '/' && !url.search && !url.username)
    return url.origin;
  throw new RegistryError(
    'bad-request',
    `${name} must be an origin such as https://s3.example, without a path`,
  );
}

/** As those servers read such a word. @throws RegistryError `bad-request` for what is none */
export function switchIn({ name, value }: SaidWord): 'true' | 'false' | undefined {
  if (value === undefined) return undefined;
  if (/^(?:true|1|yes|on)$/i.test(value)) return 'true';
  if (/^(?:false|0|no|off)$/i.test(value)) return 'false';
  throw new RegistryError('bad-request', `${name}=${value}: use true or false`);
}
