import { withControl } from './control.ts';
import { parseSubject } from './package-argument.ts';

/** Gives a name or a scope its owner, as the operator, before anything is published there. */
export async function claim(
  dataDirectory: string,
  text: string,
  { owner, json }: { readonly owner: string; readonly json?: boolean },
): Promise<void> {
  const subject = parseSubject(text);
  const { events } = await withControl(dataDirectory, (control) =>
    control.execute([{ kind: 'claim', ...subject, owner }]),
  );
  if (json) for (const event of events) console.log(JSON.stringify(event));
  else console.log(`claimed ${text} for ${owner}`);
}
