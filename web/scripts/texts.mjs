// Fail on a text that nothing asks for, and on one that is asked for and missing. (That Chinese has every
// text that English has is a matter of types.)
import { readdirSync, readFileSync } from "node:fs"

const root = new URL("../src/", import.meta.url)
const sources = readdirSync(root, { recursive: true })
  .filter((name) => /\.tsx?$/.test(name) && !name.startsWith("i18n/") && !name.endsWith(".d.ts"))
  .map((name) => readFileSync(new URL(name, root), "utf8"))
  .join("\n")

console.log(sources.length)
