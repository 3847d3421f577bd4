import { QueryClient } from "@tanstack/react-query"
import createFetchClient, { type Middleware } from "openapi-fetch"
import createQueryClient from "openapi-react-query"
import type { components, paths } from "./schema"
import { renew, replaced, session, watchSession, whoseTab } from "./session"

type Problem = components["schemas"]["Problem"]
export type Schemas = components["schemas"]

/** What only a refusal of a schema says. */
type Beside = "rule" | "bound"

/** A refusal of the API, or its silence: always the same shape, with what to do about it. */
export class Refusal extends Error {
  constructor(readonly problem: Omit<Problem, "type" | "title" | Beside> & Partial<Pick<Problem, Beside>>) {
    super(problem.detail)
  }
}

const authorise: Middleware = {
  async onRequest({ request }) {
    await replaced()
    const token = session()?.accessToken
    if (token) request.headers.set("Authorization", `Bearer ${token}`)
  },
}

/** Send; where the token has run out, once more with a new one. A refusal is thrown. */
async function send(request: Request): Promise<Response> {
  const again = request.clone()
  const told = request.headers.get("Authorization")
  let answer = await reach(fetch(request))
  if (answer.status === 401 && told !== null && (await isRenewed(told))) {
    again.headers.set("Authorization", `Bearer ${session()!.accessToken}`)
    answer = await reach(fetch(again))
  }
  if (answer.ok) return answer
  const body: Partial<Problem> = await answer.json().catch(() => ({}))
  throw new Refusal({
    status: answer.status,
    code: body.code ?? "unreadable",
    detail: body.detail ?? `HTTP ${answer.status}`,
    field: body.field ?? null,
    value: body.value ?? null,
    mend: body.mend ?? null,
    rule: body.rule ?? null,
    bound: body.bound ?? null,
    requestId: body.requestId ?? answer.headers.get("X-Request-Id") ?? "",
  })
}

/** Whether there is another token than the one that was refused. */
async function isRenewed(told: string): Promise<boolean> {
  await replaced()
  const token = session()?.accessToken
  return (token !== undefined && told !== `Bearer ${token}`) || (await reach(renew()))
}

async function reach<Answer>(asked: Promise<Answer>): Promise<Answer> {
  try {
    return await asked
  } catch {
    throw new Refusal({
      status: 0,
      code: "unreachable",
      detail: "unreachable",
      field: null,
      value: null,
      mend: null,
      requestId: "",
    })
  }
}

export const client = createFetchClient<paths>({ baseUrl: location.origin, fetch: send })
client.use(authorise)

/** Typed by the API's own document: a path, parameter or field that it has not got is a type error. */
export const api = createQueryClient(client)

/** In how many milliseconds figures are asked for again: `lib/live` sets it, who is told of news asks seldom. */
export const polling = { every: 15_000 }

/**
 * A refusal that asking again cannot mend is not asked for again. Without a network both fail at once, and say so: what
 * was pressed is not kept to be done later, when nobody expects it.
 */
export const queries = new QueryClient({
  defaultOptions: {
    mutations: { networkMode: "always" },
    queries: {
      networkMode: "always",
      refetchInterval: () => polling.every,
      staleTime: 5_000,
      retry: (count, error) =>
        count < 2 &&
        (!(error instanceof Refusal) || error.problem.status === 0 || error.problem.status >= 500),
    },
  },
})

let whose = whoseTab()?.id
/** Nothing that one person was shown is shown to the next. */
watchSession(() => {
  if (whose !== (whose = whoseTab()?.id)) queries.clear()
})

/**
 * A key for one press of one button: sent again it is answered again, and nothing is done twice. Browsers make no UUID
 * where there is no https, but random bytes everywhere.
 */
export const oneKey = () => ({
  "Idempotency-Key": Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join(""),
})
