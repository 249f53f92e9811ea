/** For protocols whose files and answers are for the pages of every origin (Fetch standard, section 3.2). */
import type { HttpAnswer } from '../core/route.ts';

export const openToAll: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST, DELETE, OPTIONS',
  'access-control-allow-headers': 'Content-Type, Authorization',
};

export const preflight: HttpAnswer = { status: 200, headers: { ...openToAll, 'content-length': '0' } };
