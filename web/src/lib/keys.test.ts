import { expect, test } from "vitest"
import { pressOnce } from "./keys"

test("Enter that is held down does what it does once; other keys repeat", () => {
  const stop = pressOnce()
  const button = document.body.appendChild(document.createElement("button"))
  const done = (key: string, repeat: boolean) =>
    button.dispatchEvent(new KeyboardEvent("keydown", { key, repeat, bubbles: true, cancelable: true }))
  expect([done("Enter", false), done("Enter", true), done("ArrowDown", true)]).toEqual([true, false, true])
  stop()
  expect(done("Enter", true)).toBe(true)
})
