/**
 * The rules of OSV 1.7.5 (https://ossf.github.io/osv-schema/) as far as our documents use it, composed from its text: with
 * `Ori` for an ecosystem, which its own list does not have, and nothing beside what it describes.
 */

const text = { type: 'string' } as const;
/** RFC 3339, in UTC with a Z. */
const time = {
  type: 'string',
  format: 'date-time',
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?Z$',
} as const;
const semver = '(0|[1-9]\\d*)\\.(0|[1-9]\\d*)\\.(0|[1-9]\\d*)(-[0-9A-Za-z.-]+)?';

const only = (name: string, schema: object): object => ({
  type: 'object',
  properties: { [name]: schema },
  required: [name],
  additionalProperties: false,
});
const hasEvent = (name: string): object => ({ properties: { events: { contains: { required: [name] } } } });

const range = {
  type: 'object',
  properties: {
    type: { const: 'SEMVER' },
    events: {
      type: 'array',
      minItems: 1,
      items: {
        oneOf: [
          // From the beginning.
          only('introduced', { type: 'string', pattern: `^(0|${semver})$` }),
          only('fixed', { type: 'string', pattern: `^${semver}$` }),
          only('last_affected', { type: 'string', pattern: `^${semver}$` }),
          only('limit', { type: 'string', pattern: `^(\\*|${semver})$` }),
        ],
      },
      contains: { required: ['introduced'] },
    },
    database_specific: { type: 'object' },
  },
  required: ['type', 'events'],
  additionalProperties: false,
  // A range that says both would say two things.
  not: { allOf: [hasEvent('last_affected'), hasEvent('fixed')] },
} as const;

/** JSON Schema, draft 2020-12. */
export const osvSchema = {
  type: 'object',
  properties: {
    schema_version: { const: '1.7.5' },
    // `x_`: a database that OSV does not list.
    id: { type: 'string', pattern: '^x_[A-Z][A-Za-z0-9_]*-[A-Za-z0-9._:-]+$' },
    modified: time,
    published: time,
    withdrawn: time,
    aliases: { type: 'array', items: text, uniqueItems: true },
    related: { type: 'array', items: text, uniqueItems: true },
    summary: { type: 'string', maxLength: 512 },
    details: text,
    severity: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          type: { const: 'CVSS_V3' },
          score: {
            type: 'string',
            pattern: '^CVSS:3[.][01]/((AV:[NALP]|AC:[LH]|PR:[NLH]|UI:[NR]|S:[UC]|[CIA]:[NLH])/?){8}',
          },
        },
        required: ['type', 'score'],
        additionalProperties: false,
      },
    },
    affected: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          package: {
            type: 'object',
            properties: { ecosystem: { const: 'Ori' }, name: text, purl: { type: 'string', format: 'uri' } },
            required: ['ecosystem', 'name'],
            additionalProperties: false,
          },
          ranges: { type: 'array', items: range },
          versions: { type: 'array', items: { type: 'string', pattern: `^${semver}$` } },
          ecosystem_specific: { type: 'object' },
          database_specific: { type: 'object' },
        },
        required: ['package'],
        additionalProperties: false,
        // Of one that names neither nobody could say what it is about.
        anyOf: [
          { required: ['ranges'], properties: { ranges: { minItems: 1 } } },
          { required: ['versions'], properties: { versions: { minItems: 1 } } },
        ],
      },
    },
    references: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          type: {
            enum: [
              'ADVISORY',
              'ARTICLE',
              'DETECTION',
              'DISCUSSION',
              'REPORT',
              'FIX',
              'INTRODUCED',
              'PACKAGE',
              'EVIDENCE',
              'WEB',
            ],
          },
          url: { type: 'string', format: 'uri' },
        },
        required: ['type', 'url'],
        additionalProperties: false,
      },
    },
    database_specific: { type: 'object' },
  },
  required: ['id', 'modified'],
  additionalProperties: false,
} as const;
