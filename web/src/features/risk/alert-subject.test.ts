import { expect, test } from "vitest"
import { operate } from "@/i18n/en/operate"
import { subjectPage } from "./alert-subject"

const page = (kind: string, subject: string, details = {}) => subjectPage({ kind, subject, details })

test("an alert leads to what it is about", () => {
  expect(page("alert.matured_not_settled", "s1")).toBe("/subscriptions/s1")
  expect(page("alert.withdrawing_too_long", "c1", { subscription: "s1" })).toBe("/subscriptions/s1")
  expect(page("alert.copy_failed", "signal", { flowId: "f1" })).toBe("/flows/f1")
  expect(page("alert.copy_failed", "signal")).toBe(null)
  expect(page("alert.of_tomorrow", "x")).toBe(null)
})

test("every kind that has a text leads somewhere, but what happened at the machine", () => {
  const kinds = ["liquidation.failed", ...Object.keys(operate.alertKinds.alert).map((one) => `alert.${one}`)]
  const details = { subscription: "s", flowId: "f" }
  expect(kinds.filter((kind) => !page(kind, "x", details))).toEqual(["alert.staff_at_machine"])
})
