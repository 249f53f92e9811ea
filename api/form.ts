/** Bodies of `multipart/form-data` (RFC 7578): texts are kept, files go into blobs as they come. */
import { basename } from 'node:path/posix';
import busboy from 'busboy';
import { RegistryError } from '../core/errors.ts';
import type { StagedBlob } from '../core/ports.ts';
import type { Form, FormFile, FormLimits } from '../core/route.ts';

/** Far more fields than any client sends; each costs memory before anybody can look at it. */
const MAX_TEXTS = 1000;
const MAX_FIELD_NAME_BYTES = 1024;

type Stage = (file: AsyncIterable<Uint8Array>, maxBytes: number) => Promise<StagedBlob>;

/** @throws RegistryError as `Call.readForm` does, and what the body throws. */
export async function readForm(
  body: AsyncIterable<Uint8Array>,
  contentType: string | undefined,
  limits: FormLimits,
  stage: Stage,
): Promise<Form> {
  const texts = new Map<string, string>();
  const files = new Map<string, FormFile>();
  const staged: Promise<void>[] = [];
  const parser = openParser(contentType, limits);
  let bodyBytes = 0;
  let failure: { readonly error: unknown } | undefined;
  let stop = (): void => undefined;
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  const fail = (error: unknown): void => {
    failure ??= { error };
    stop();
  };
  parser.on('field', (name, value, { nameTruncated, valueTruncated }) => {
    if (nameTruncated || valueTruncated)
      fail(
        new RegistryError('body-too-large', `a text field is over the limit of ${limits.maxTextBytes} bytes`),
      );
    else if (texts.has(name) && limits.repeats === undefined) fail(twice(name));
    else setLast(texts, name, value);
  });
  parser.on('file', (name, file, { filename }) => {
    // Without a listener the error of a part that is cut off would end the process.
    file.on('error', () => undefined);
    if (files.has(name) && limits.repeats === undefined) return fail(twice(name));
    const taken: { filename: string; blob?: StagedBlob } = { filename: basename(filename ?? '') };
    setLast(files, name, taken as FormFile);
    staged.push(
      stage(file, limits.maxFileBytes)
        .then((blob) => void (taken.blob = blob))
        .catch((error: unknown) => fail(isTooLarge(error) ? limits.tooLarge(name) : error)),
    );
  });
  parser.on('filesLimit', () =>
    fail(new RegistryError('body-too-large', `send at most ${limits.maxFiles} files`)),
  );
  parser.on('fieldsLimit', () =>
    fail(new RegistryError('body-too-large', `send at most ${MAX_TEXTS} fields`)),
  );
  parser.on('error', (error: Error) => fail(malformed(error)));
  const closed = new Promise<void>((resolve) => parser.on('close', resolve));
  // Not piped: the body has to be let go of before a refusal is answered, or nobody could read on to its end.
  try {
    for await (const piece of body) {
      bodyBytes += piece.byteLength;
      if (bodyBytes > (limits.maxBodyBytes ?? Infinity)) {
        fail(
          new RegistryError('body-too-large', `the body is over the limit of ${limits.maxBodyBytes} bytes`),
        );
        break;
      }
      if (!parser.write(piece)) await Promise.race([drained(parser), stopped]);
      if (failure) break;
    }
    if (!failure) parser.end();
    await Promise.race([closed, stopped]);
  } catch (error) {
    fail(error);
  }
  parser.destroy();
  // What is on its way to the disk arrives first: whoever throws it away must know of it.
  await Promise.all(staged);
  if (failure) throw failure.error;
  return { texts, files };
}

function setLast<V>(map: Map<string, V>, name: string, value: V): void {
  map.delete(name);
  map.set(name, value);
}

function drained(parser: busboy.Busboy): Promise<void> {
  return new Promise((resolve) => parser.once('drain', resolve));
}

function openParser(contentType: string | undefined, limits: FormLimits): busboy.Busboy {
  if (!contentType?.toLowerCase().startsWith('multipart/form-data'))
    throw new RegistryError('unsupported-media-type', 'send Content-Type: multipart/form-data');
  try {
    return busboy({
      headers: { 'content-type': contentType },
      defParamCharset: 'utf8',
      limits: {
        fieldNameSize: MAX_FIELD_NAME_BYTES,
        // What is just at its limit counts as cut off there.
        fieldSize: limits.maxTextBytes + 1,
        fields: MAX_TEXTS,
        files: limits.maxFiles,
      },
    });
  } catch (error) {
    throw malformed(error as Error);
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof RegistryError && error.code === 'too-large';
}

function malformed(cause: Error): RegistryError {
  return new RegistryError('malformed-body', `the form cannot be read: ${cause.message}`, { cause });
}

function twice(name: string): RegistryError {
  return new RegistryError('bad-request', `the field ${JSON.stringify(name.slice(0, 80))} comes twice`);
}
