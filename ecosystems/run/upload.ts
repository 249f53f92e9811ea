/** A publish as it comes: a form, read field by field as upstream reads it (contract, section 3). */
import { RegistryError } from '../../core/errors.ts';
import type { StagedBlob } from '../../core/ports.ts';
import type { Call, Form } from '../../core/route.ts';
import { checkName } from './names.ts';
import { dependenciesIn, targetsIn, usualTargets, type RunMeta } from './metadata.ts';

const USUAL_UPLOAD_BYTES = 50 * 1024 * 1024;
const MAX_TEXT_BYTES = 256 * 1024;

export interface Upload {
  readonly name: string;
  /** As it was sent. */
  readonly version: string;
  /** As it was sent; undefined where nothing was. */
  readonly sha256: string | undefined;
  readonly file: StagedBlob;
  readonly meta: RunMeta;
}

/** @throws RegistryError `too-large` before anything else; `bad-request` for a field that is missing, `invalid-name` */
export async function readUpload(call: Call): Promise<Upload> {
  const maxBytes = call.maxUploadBytes ?? USUAL_UPLOAD_BYTES;
  const tooLarge = (): RegistryError =>
    new RegistryError('too-large', `an upload may have ${maxBytes} bytes, all of its parts together`);
  if (Number(call.header('content-length') ?? 0) > maxBytes) throw tooLarge();
  const form = await call.readForm({
    maxFileBytes: maxBytes,
    maxBodyBytes: maxBytes,
    // Whatever else comes is let go of: upstream does not look at it.
    maxFiles: 16,
    maxTextBytes: MAX_TEXT_BYTES,
    tooLarge,
    repeats: 'last-wins',
  });
  const { texts } = form;
  const file = fileIn(form);
  const [name, version] = [texts.get('name'), texts.get('version')];
  if (name === undefined || version === undefined || !file)
    throw new RegistryError('bad-request', `the form has no ${missing({ name, version, component: file })}`);
  return { name: checkName(name), version, sha256: texts.get('sha256'), file, meta: metaIn(texts) };
}

/** Under either name; the last of them. What it is called there is no path of ours: it has a colon in it, and slashes. */
function fileIn({ files }: Form): StagedBlob | undefined {
  return [...files].filter(([field]) => field === 'component' || field === 'artifact').at(-1)?.[1].blob;
}

function missing(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .flatMap(([field, value]) => (value === undefined ? [field] : []))
    .join(', no ');
}

function metaIn(texts: Form['texts']): RunMeta {
  const [license, repository, witUrl] = ['license', 'repository', 'wit_url'].map((field) => texts.get(field));
  const dependencies = dependenciesIn(texts.get('dependencies'));
  const targets = targetsIn(texts.get('targets'));
  return {
    description: texts.get('description') ?? '',
    ...(license === undefined ? {} : { license }),
    ...(repository === undefined ? {} : { repository }),
    ...(witUrl === undefined ? {} : { witUrl }),
    ...(dependencies.length > 0 ? { dependencies } : {}),
    ...(targets === usualTargets ? {} : { targets }),
  };
}
