/** A publish document (contract, section 4): its one attachment is cut out while it arrives. */
import { RegistryError } from '../../core/errors.ts';
import { cutJson } from '../cut-json.ts';

export interface CutDocument {
  /** The document, with an empty text in place of the archive. */
  readonly document: unknown;
  /** Key of the attachment that was cut out. */
  readonly archive: string | undefined;
}

/**
 * @param takeArchive gets the decoded bytes of the one attachment whose key ends with `.tgz`, and must read them all.
 * @throws RegistryError `malformed-body`; `body-too-large` when the rest is longer than `maxRestBytes`.
 */
export async function cutDocument(
  source: AsyncIterable<Uint8Array>,
  maxRestBytes: number,
  takeArchive: (archive: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<CutDocument> {
  let archive: string | undefined;
  const document = await cutJson(source, {
    maxRestBytes,
    isArchive: ([root, file, field, ...deeper]) =>
      root === '_attachments' &&
      typeof file === 'string' &&
      file.endsWith('.tgz') &&
      field === 'data' &&
      deeper.length === 0,
    async take(bytes, [, file]) {
      if (archive !== undefined)
        throw new RegistryError('malformed-body', 'the document has more than one tarball attached');
      archive = String(file);
      await takeArchive(bytes);
    },
  });
  return { document, archive };
}
