import { expect, test } from "vitest"
import { add, compare, faultOf, isDecimal, multiply, subtract, yearlyPart } from "./decimal"

test("decimals are exact where floats are not", () => {
  expect(add("0.1", "0.2")).toBe("0.3")
  expect(subtract("1", "0.000000000000000001")).toBe("0.999999999999999999")
  expect(multiply("90071992547409931", "0.01")).toBe("900719925474099.31")
  expect(compare("10000", "10000.00000001")).toBe(-1)
})

test("a management fee of 1 % on 8,000 is 0.2191780821… for a day", () => {
  expect(yearlyPart("8000", "0.01", 1)).toBe("0.219178082191780821") // 80 / 365
})

test("only plain digits are a decimal", () => {
  expect(["1", "1.50", "0.000000000000000001"].every(isDecimal)).toBe(true)
  expect(["", "1e4", "1,000", "١٢", "-1", "1."].some(isDecimal)).toBe(false)
})

test("a number is held against its bounds by all its digits", () => {
  const rate = { min: 0, max: "0.99" }
  expect(faultOf("0.99", rate)).toBe(null)
  expect(faultOf("0.990000000000000001", rate)).toBe("most")
  expect(faultOf("-0.000000000000000001", rate)).toBe("least")
  expect(faultOf("", rate)).toBe(null)
  expect(["1e3", "1,5", ".5", "5.", "١", "0x1", " 1"].map((text) => faultOf(text, rate))).toEqual(
    Array(7).fill("decimal"),
  )
  expect(faultOf("12.0", { whole: true })).toBe("whole")
  expect(faultOf("99999999999999999999.5", { max: "99999999999999999999" })).toBe("most")
})
