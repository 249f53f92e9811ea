/** Says of a package or a version, as the operator, that it is deprecated, or no longer. */
import { requireMessage } from '../core/deprecation.ts';
import { withControl } from './control.ts';
import { parsePackageOrRelease } from './package-argument.ts';

interface Output {
  readonly json?: boolean;
}

export async function deprecate(
  dataDirectory: string,
  text: string,
  { message, ...output }: Output & { readonly message: string },
): Promise<void> {
  const of = parsePackageOrRelease(text);
  const said = requireMessage(message);
  const { events, visibility } = await withControl(dataDirectory, (control) =>
    control.execute([{ kind: 'deprecate', ...of, message: said }]),
  );
  print(events, output, events.length === 0 ? `${text} says so already` : `deprecated ${text}`);
  sayIfDegraded(visibility);
}

export async function undeprecate(dataDirectory: string, text: string, output: Output): Promise<void> {
  const of = parsePackageOrRelease(text);
  const { events, visibility } = await withControl(dataDirectory, (control) =>
    control.execute([{ kind: 'undeprecate', ...of }]),
  );
  print(events, output, events.length === 0 ? `${text} is not deprecated` : `undeprecated ${text}`);
  sayIfDegraded(visibility);
}

function print(events: readonly object[], { json }: Output, sentence: string): void {
  if (json) for (const event of events) console.log(JSON.stringify(event));
  else console.log(sentence);
}

function sayIfDegraded(visibility: string): void {
  if (visibility === 'degraded')
    console.error('cairn: recorded, but the site does not show it yet; see: cairn doctor');
}
