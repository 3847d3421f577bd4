// Fail on a text of src/i18n that nothing shows. (One that is shown and missing, or missing in Chinese, is a type
// error.) A text asked for as t(`states.${state}`) counts for all that begin with "states.".
import { readdirSync, readFileSync } from "node:fs"

const root = new URL("../src/", import.meta.url)
const read = (name) => readFileSync(new URL(name, root), "utf8")
const sources = readdirSync(root, { recursive: true })
  .filter((name) => /\.tsx?$/.test(name) && !/^i18n\/|schema\.d\.ts$/.test(name))
  .map(read)
  .join("\n")
const asked = new Set([...sources.matchAll(/"(\w+\.[\w.]+)"/g)].map(([, key]) => key))
const begun = [...sources.matchAll(/`(\w+\.[\w.]*)\$\{/g)].map(([, key]) => key)

const texts = readdirSync(new URL("i18n/en", root))
  .filter((name) => name !== "index.ts")
  .map((name) => read(`i18n/en/${name}`).replace(/^[^]*?export const \w+ = /, ""))
  .map((body) => Function(`return ${body}`)())
const keys = (part, path = "") =>
  Object.entries(part).flatMap(([name, value]) =>
    typeof value === "string" ? [path + name] : keys(value, `${path}${name}.`),
  )
const unused = texts
  .flatMap((some) => keys(some))
  .filter((key) => {
    const plain = key.replace(/_(one|other)$/, "")
    return !asked.has(plain) && !begun.some((start) => key.startsWith(start))
  })
if (unused.length) {
  console.error(`Texts that nothing shows: ${unused.join(", ")}`)
  process.exit(1)
}
