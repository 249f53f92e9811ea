/** Options of the server whose place the OCI surface takes: its command line works as it is, in our own words. */
import { RegistryError } from '../core/errors.ts';
import { environment as aliasesIn } from '../ecosystems/oci/environment.ts';
import type { Flags } from './options.ts';

export interface OciFlags {
  readonly host?: string;
  readonly port?: string;
  readonly storage?: string;
  readonly root?: string;
  readonly url?: string;
  readonly databaseUrl?: string;
  readonly s3Bucket?: string;
  readonly s3Region?: string;
  readonly s3Endpoint?: string;
  readonly s3AccessKeyId?: string;
  readonly s3SecretAccessKey?: string;
  readonly s3PathStyle?: boolean;
  readonly s3AllowHttp?: boolean;
}

/** Each is a variable as well, over which it goes. */
const variables: Readonly<Record<keyof OciFlags, string>> = {
  host: 'OCI_REGISTRY_URL',
  port: 'OCI_REGISTRY_PORT',
  storage: 'OCI_REGISTRY_STORAGE',
  root: 'OCI_REGISTRY_ROOTDIR',
  url: 'OCI_REGISTRY_PUBLIC_URL',
  databaseUrl: 'DATABASE_URL',
  s3Bucket: 'OCI_REGISTRY_S3_BUCKET',
  s3Region: 'OCI_REGISTRY_S3_REGION',
  s3Endpoint: 'OCI_REGISTRY_S3_ENDPOINT',
  s3AccessKeyId: 'OCI_REGISTRY_S3_ACCESS_KEY_ID',
  s3SecretAccessKey: 'OCI_REGISTRY_S3_SECRET_ACCESS_KEY',
  s3PathStyle: 'OCI_REGISTRY_S3_PATH_STYLE',
  s3AllowHttp: 'OCI_REGISTRY_S3_ALLOW_HTTP',
};

/** Those that say what one of ours says. */
const ours = {
  host: { flag: 'listen', spelled: '--listen', variable: 'CAIRN_LISTEN' },
  port: { flag: 'listen', spelled: '--listen', variable: 'CAIRN_LISTEN' },
  root: { flag: 'data', spelled: '--data', variable: 'CAIRN_DATA' },
  url: { flag: 'publicUrl', spelled: '--public-url', variable: 'CAIRN_PUBLIC_URL' },
} as const;

export interface Given {
  readonly flags: Flags;
  readonly environment: NodeJS.ProcessEnv;
}

/** @throws RegistryError `bad-request` for a value that cannot be meant here, or where the same is said twice. */
export function inOurWords(given: Flags & OciFlags, environment: NodeJS.ProcessEnv): Given {
  const isTheirs = (word: string): word is keyof OciFlags => Object.hasOwn(variables, word);
  const said = Object.entries(given).flatMap(([word, value]: [string, string | boolean | undefined]) =>
    value !== undefined && isTheirs(word) ? [[word, String(value)] as const] : [],
  );
  const flags: Flags = Object.fromEntries(Object.entries(given).filter(([word]) => !isTheirs(word)));
  const all = {
    ...environment,
    ...Object.fromEntries(said.map(([word, value]) => [variables[word], value])),
  };
  const meant = aliasesIn(all).variables;
  const translated = Object.entries(ours).flatMap(([word, { flag, spelled, variable }]) => {
    if (!said.some(([one]) => one === word)) return [];
    if (flags[flag] !== undefined)
      throw new RegistryError('bad-request', `--${word} and ${spelled} say the same thing: give one of them`);
    return [[flag, meant[variable]] as const];
  });
  return { flags: { ...flags, ...Object.fromEntries(translated) }, environment: all };
}
