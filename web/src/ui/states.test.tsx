import { act as settle, createElement } from "react"
import { createRoot } from "react-dom/client"
import { expect, test } from "vitest"
import { Refusal } from "@/api/client"
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
