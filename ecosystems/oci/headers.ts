/** Says the digest of what is answered, or was taken. */
export const DIGEST_HEADER = 'docker-content-digest';

/** On every answer: some old clients fall back to another protocol without it. */
export const versionHeader = { 'docker-distribution-api-version': 'registry/2.0' } as const;
