/** What the API's document (OpenAPI 3.1) says of a route. Kept with the route, so that neither is without the other. */

/** JSON Schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>;

export interface RouteDoc {
  /** Unique in its surface. */
  readonly id: string;
  /** One sentence, without a full stop. */
  readonly summary: string;
  readonly description?: string;
  /** The scope that the token needs, in the words of the surface; `any` for every valid token. Absent: anonymous. */
  readonly scope?: string;
  readonly query?: Readonly<Record<string, ParameterDoc>>;
  /** Several where it may come in several forms. */
  readonly body?: BodyDoc | readonly BodyDoc[];
  /** The one answer of success; its content type is the route's own where it is a file. `never`: it only refuses. */
  readonly success?: AnswerDoc | 'never';
  /** Answers of other statuses that are no refusals in the surface's envelope. */
  readonly others?: Readonly<Record<number, Omit<AnswerDoc, 'status'>>>;
  /** What it means where a file's place answers with a redirect, by its status. */
  readonly redirects?: Readonly<Partial<Record<302 | 307, string>>>;
  /** What a refusal of each status means. */
  readonly refusals?: Readonly<Record<number, string>>;
}

export interface ParameterDoc {
  readonly description: string;
  readonly schema: JsonSchema;
}

export interface BodyDoc {
  /** It may be left out. */
  readonly isOptional?: true;
  readonly contentType: string;
  readonly schema: JsonSchema;
}

export interface AnswerDoc {
  /** 200 unless told. */
  readonly status?: number;
  readonly description: string;
  /** Of the body; without one there is none, or it is bytes. */
  readonly schema?: JsonSchema;
  /** Of an API answer; `application/json` unless told. */
  readonly contentType?: string;
  /** Other forms it may come in, by content type. */
  readonly alternatives?: Readonly<Record<string, JsonSchema>>;
}
