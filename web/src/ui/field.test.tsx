import { act as settle, createElement, type ReactNode } from "react"
import { createRoot } from "react-dom/client"
import i18next from "i18next"
import { initReactI18next } from "react-i18next"
import { beforeAll, beforeEach, expect, test } from "vitest"
import { zh } from "@/i18n/zh"
import { Dialog } from "./dialog"
import { Check, Field, NumberField } from "./field"

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true })

async function shown(what: ReactNode) {
  const page = document.body.appendChild(document.createElement("div"))
  const root = createRoot(page)
  await settle(() => root.render(what))
  return { page, leave: () => settle(() => root.unmount()) }
}

/** What is held against a text once it was typed. */
async function held(field: ReactNode, text: string) {
  const { page } = await shown(field)
  const input = page.querySelector("input")!
  input.value = text
  await settle(() => void input.dispatchEvent(new InputEvent("input", { bubbles: true })))
  return input.validationMessage
}

beforeAll(async () => {
  await i18next
    .use(initReactI18next)
    .init({ lng: "zh", resources: { zh: { translation: zh } }, interpolation: { escapeValue: false } })
})
beforeEach(() => document.body.replaceChildren())

test("what a field needs is said in the reader's language, and blanks are nothing", async () => {
  const name = createElement(Field, { label: "n", required: true })
  const amount = createElement(NumberField, { label: "n", required: true, max: 5 })
  for (const blank of ["", "   "]) {
    expect(await held(name, blank)).toBe(zh.field.missing)
    expect(await held(amount, blank)).toBe(zh.field.missing)
  }
  expect(await held(name, "Ann")).toBe("")
  expect(await held(amount, "1e9")).toBe(zh.field.decimal)
  expect(await held(amount, "6")).toBe("不得大于 5")
  expect(await held(amount, " 5 ")).toBe("")
})

test("a text in another form is refused with the field's own words, or with ours", async () => {
  expect(await held(createElement(Field, { label: "n", pattern: "[0-9]+" }), "x")).toBe(zh.field.form)
  expect(await held(createElement(Field, { label: "n", pattern: "[0-9]+", title: "数字" }), "x")).toBe("数字")
})

test("bounds that the browser holds, and a box to be ticked, are said in the reader's language", async () => {
  const number = createElement(Field, { label: "n", type: "number", min: 2, max: 5 })
  expect(await held(number, "1")).toBe("不得小于 2")
  expect(await held(number, "6")).toBe("不得大于 5")
  expect(await held(number, "2.5")).toBe(zh.field.whole)
  const { page } = await shown(createElement(Check, { label: "n", required: true }))
  const box = page.querySelector("input")!
  expect(box.validationMessage).toBe(zh.field.missing)
  await settle(() => box.click())
  expect(box.validationMessage).toBe("")
})

test("nothing is held against what is not needed", async () => {
  expect(await held(createElement(Field, { label: "n" }), "  ")).toBe("")
})

test("what is typed goes into a window's first field", async () => {
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true
    this.querySelector<HTMLElement>("button, [tabindex]")!.focus()
  }
  HTMLDialogElement.prototype.close = () => undefined
  const field = createElement(Field, { label: "n" })
  const children = createElement("div", { tabIndex: -1 }, field)
  const { page } = await shown(createElement(Dialog, { title: "w", onClose: () => undefined, children }))
  expect(document.activeElement).toBe(page.querySelector("input"))
})

test("a window is closed while it is on the page, so that the focus goes back", async () => {
  const closed: boolean[] = []
  HTMLDialogElement.prototype.showModal = () => undefined
  HTMLDialogElement.prototype.close = function () {
    closed.push(this.isConnected)
  }
  const { leave } = await shown(
    createElement(Dialog, { title: "w", onClose: () => undefined, children: null }),
  )
  await leave()
  expect(closed).toEqual([true])
})
