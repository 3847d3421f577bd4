import { act as settle, createElement } from "react"
import { createRoot } from "react-dom/client"
import i18next from "i18next"
import { initReactI18next } from "react-i18next"
import { expect, test } from "vitest"
import { Refusal } from "@/api/client"
import { zh } from "@/i18n/zh"
import { Field } from "./field"
import { Failed } from "./states"

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true })

const refusal = new Refusal({
  status: 422,
  code: "not_positive",
  detail: "It must be positive",
  field: "investmentAmount",
  value: "0",
  mend: null,
  requestId: "",
})

test("a refusal names the field as the form does, and as programs do where there is no form", async () => {
  const page = document.body.appendChild(document.createElement("div"))
  const root = createRoot(page)
  const alert = () => page.querySelector("[role=alert]")!.textContent
  await settle(() => root.render(createElement(Failed, { error: refusal })))
  expect(alert()).toContain("investmentAmount: ")
  await settle(() =>
    root.render(
      createElement(
        "form",
        null,
        createElement(Field, { label: "Amount in USDT", error: "It must be positive" }),
        createElement(Failed, { error: refusal }),
      ),
    ),
  )
  expect(alert()).toContain("Amount in USDT: It must be positive")
  expect(alert()).not.toContain("investmentAmount")
})

test("what was pressed is not said to be sent again by itself; what is read is", async () => {
  await i18next.use(initReactI18next).init({ lng: "zh", resources: { zh: { translation: zh } } })
  const page = document.body.appendChild(document.createElement("div"))
  const root = createRoot(page)
  const gone = new Refusal({ ...refusal.problem, status: 0, code: "unreachable", field: null })
  const unfetched = new TypeError("Failed to fetch dynamically imported module: http://host/assets/a.js")
  await settle(() => root.render(createElement(Failed, { error: gone })))
  expect(page.textContent).toBe(zh.state.unsent)
  for (const error of [gone, unfetched]) {
    await settle(() => root.render(createElement(Failed, { error, again: () => undefined })))
    expect(page.querySelector("p")!.textContent).toBe(zh.state.unreachable)
  }
})
