/** Archives that a client may be sent on for, to another host. */
import type { BlobBody, Call } from '../../core/route.ts';

/**
 * All but Yarn 1 leave their token behind where they are sent on to another host (measured). It would tell that host what only we
 * may know, and a store refuses it besides: a request is signed once. So Yarn 1 gets the bytes from us.
 */
export function takesTokenAlong(call: Call): boolean {
  return call.header('authorization') !== undefined && /^yarn\/[01]\./.test(call.header('user-agent') ?? '');
}

/** The body of an archive that is not for everybody. */
export function fromStore(call: Call, { blob, size }: BlobBody): BlobBody {
  return takesTokenAlong(call) ? { blob, size } : { blob, size, mayRedirect: true };
}
