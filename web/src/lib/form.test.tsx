import { QueryClientProvider } from "@tanstack/react-query"
import { act as settle, createElement } from "react"
import { createRoot } from "react-dom/client"
import { beforeEach, expect, test, vi } from "vitest"
import { oneKey, queries, Refusal } from "@/api/client"
import { given, useAct } from "./form"

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true })

type Send = (given: string, key: ReturnType<typeof oneKey>) => Promise<string>

/** A button that acts, as it is on a page. */
async function pressed(send: Send) {
  const body = document.createElement("div")
  function Page() {
    const act = useAct(send)
    return createElement("button", { disabled: act.isPending, onClick: () => act.mutate("once") }, "Go")
  }
  await settle(() =>
    createRoot(body).render(
      createElement(QueryClientProvider, { client: queries, children: createElement(Page) }),
    ),
  )
  return body.querySelector("button")!
}

beforeEach(() => queries.clear())

test("both presses of a double click are one act, and the next press is another", async () => {
  const send = vi.fn<Send>(async () => "done")
  const button = await pressed(send)
  await settle(async () => (button.click(), button.click()))
  expect(send).toHaveBeenCalledTimes(1)
  await vi.waitFor(() => expect(button.disabled).toBe(false))
  await settle(async () => button.click())
  expect(send).toHaveBeenCalledTimes(2)
  expect(send.mock.calls[0]![1]).not.toEqual(send.mock.calls[1]![1])
})

test("without a network a press fails at once, and is not done later", async () => {
  vi.spyOn(navigator, "onLine", "get").mockReturnValue(false)
  dispatchEvent(new Event("offline"))
  const send = vi.fn<Send>(() => Promise.reject(new Error("unreachable")))
  const button = await pressed(send)
  await settle(async () => button.click())
  await vi.waitFor(() => expect(send).toHaveBeenCalledTimes(1))
  await vi.waitFor(() => expect(button.disabled).toBe(false))
  vi.restoreAllMocks()
  dispatchEvent(new Event("online"))
  expect(send).toHaveBeenCalledTimes(1)
})

test("a key needs no https", () => {
  vi.stubGlobal("crypto", { getRandomValues: crypto.getRandomValues.bind(crypto) })
  expect(oneKey()["Idempotency-Key"]).toMatch(/^[0-9a-f]{32}$/)
  vi.unstubAllGlobals()
})

test("a field loses the spaces around what was typed, and a password keeps them", () => {
  const form = document.createElement("form")
  form.innerHTML =
    '<input name="name" value=" Ann "><input name="word" type="password" autocomplete="current-password" value=" a b ">'
  const event = { preventDefault: () => undefined, currentTarget: form }
  expect(given(event as unknown as Parameters<typeof given>[0])).toEqual({ name: "Ann", word: " a b " })
})

test("what is refused of a part of a field is said under the field, and under no other", async () => {
  const problem = { status: 422, code: "invalid_request", detail: "Too long", field: "tags.1", value: null }
  const send = () => Promise.reject(new Refusal({ ...problem, mend: null, requestId: "" }))
  const body = document.createElement("div")
  function Page() {
    const act = useAct(send)
    const said = ["tags", "tag", "title"].map((field) => `${field}: ${act.refused(field) ?? ""};`).join("")
    return createElement("button", { onClick: () => act.mutate(undefined) }, said)
  }
  const client = { client: queries, children: createElement(Page) }
  await settle(() => createRoot(body).render(createElement(QueryClientProvider, client)))
  await settle(async () => body.querySelector("button")!.click())
  await vi.waitFor(() => expect(body.textContent).toBe("tags: Too long;tag: ;title: ;"))
})
