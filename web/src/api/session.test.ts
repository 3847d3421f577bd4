import { afterEach, beforeEach, expect, test, vi } from "vitest"

type Tab = typeof import("./session")
const ann = { id: "a", username: "ann", permissions: [] }
const KEPT = "commenda.session"

/** A tab of its own, with what the one that it was duplicated from has kept. */
async function tab(): Promise<Tab> {
  vi.resetModules()
  return await import("./session")
}

beforeEach(() =>
  sessionStorage.setItem(
    KEPT,
    JSON.stringify({ accessToken: "access-1", refreshToken: "refresh-1", user: ann }),
  ),
)
afterEach(() => vi.unstubAllGlobals())

test("a token is renewed once for all tabs that have it, and each goes on with the new one", async () => {
  const [one, other] = [await tab(), await tab()]
  const asked = vi.fn(async () =>
    Response.json({ accessToken: "access-2", refreshToken: "refresh-2", user: ann }),
  )
  vi.stubGlobal("fetch", asked)
  expect(await one.renew()).toBe(true)
  await vi.waitFor(() => expect(other.session()?.refreshToken).toBe("refresh-2"))
  expect(asked).toHaveBeenCalledTimes(1)
})

test("of two tabs that ask at once, the one that came too late takes what the other got", async () => {
  const [one, other] = [await tab(), await tab()]
  const answers = [
    Response.json({ accessToken: "access-2", refreshToken: "refresh-2", user: ann }),
    Response.json({ code: "refresh_superseded" }, { status: 409 }),
  ]
  vi.stubGlobal("fetch", async () => answers.shift()!)
  expect(await Promise.all([one.renew(), other.renew()])).toEqual([true, true])
  expect(other.session()?.accessToken).toBe("access-2")
})

test("where the server ends a session, who was here is known and their tokens are not", async () => {
  const { renew, session, whoseTab, begin, forget } = await tab()
  vi.stubGlobal("fetch", async () => Response.json({ code: "bad_refresh_token" }, { status: 401 }))
  expect(await renew()).toBe(false)
  expect([session(), whoseTab()?.username, sessionStorage.getItem(KEPT)]).toEqual([null, "ann", null])
  begin({ accessToken: "access-3", refreshToken: "refresh-3", user: ann } as unknown as Parameters<
    typeof begin
  >[0])
  expect(session()?.accessToken).toBe("access-3")
  forget()
  expect(whoseTab()).toBe(null)
})

test("nothing that one person was shown is left for the next", async () => {
  const { begin } = await tab()
  const { queries } = await import("./client")
  queries.setQueryData(["wallet"], "what Ann has")
  const signIn = (user: object) =>
    begin({ accessToken: "x", refreshToken: "y", user } as unknown as Parameters<typeof begin>[0])
  signIn(ann)
  expect(queries.getQueryData(["wallet"])).toBe("what Ann has")
  signIn({ ...ann, id: "b", username: "bob" })
  expect(queries.getQueryData(["wallet"])).toBeUndefined()
})

test("whoever asks while another session is on its way asks with its token", async () => {
  const { replace } = await tab()
  const { client } = await import("./client")
  const asked: [string, string | null][] = []
  let confirm!: (answer: Response) => void
  vi.stubGlobal("fetch", (request: Request) => {
    asked.push([new URL(request.url).pathname, request.headers.get("Authorization")])
    return request.method === "POST"
      ? new Promise<Response>((answer) => (confirm = answer))
      : Promise.resolve(Response.json(ann))
  })
  const next = replace(
    async () => (await client.POST("/api/v1/auth/totp/confirm", { body: { code: "123456" } })).data!,
  )
  const who = client.GET("/api/v1/auth/me")
  await vi.waitFor(() => expect(asked).toEqual([["/api/v1/auth/totp/confirm", "Bearer access-1"]]))
  confirm(Response.json({ accessToken: "access-2", refreshToken: "refresh-2", user: ann, recoveryCodes: [] }))
  await Promise.all([next, who])
  expect(asked[1]).toEqual(["/api/v1/auth/me", "Bearer access-2"])
})
