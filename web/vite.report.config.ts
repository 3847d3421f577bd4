import tailwindcss from "@tailwindcss/vite"
import react from "@vitejs/plugin-react"
import type { Plugin } from "vite"
import { defineConfig } from "vite"

import { alias } from "./vite.config.ts"

/** Put the one script and the one style sheet into the page, which then needs nothing but itself. */
function inlined(): Plugin {
  return {
    name: "inlined",
    generateBundle: {
      order: "post", // vite's own, which finishes dynamic imports, comes first
      handler(_options, bundle) {
        let page = ""
        let script = ""
        let style = ""
        for (const one of Object.values(bundle)) {
          if (one.type === "chunk") script += one.code
          else if (one.fileName.endsWith(".css")) style += one.source
          else if (one.fileName.endsWith(".html")) page += one.source
          else this.error(`${one.fileName} would be a file beside the report: import it with ?inline`)
          delete bundle[one.fileName]
        }
        page = page
          .replace(/\s*<(script type="module"|link rel="stylesheet")[^>]*>(<\/script>)?/g, "")
          // Functions, since a replacement's `$&` would mean something; after the JSON that the script reads.
          .replace("</head>", () => `<style>${style.replace(/<\/(style)/gi, "<\\/$1")}</style></head>`)
          .replace(
            "</body>",
            () => `<script type="module">${script.replace(/<(?=\/script|!--)/gi, "\\x3C")}</script></body>`,
          )
        this.emitFile({ type: "asset", fileName: "index.html", source: page })
      },
    },
  }
}

/** Reports: one HTML file, whose JSON Python writes into `<script type="application/json" id="report">`. */
export default defineConfig({
  plugins: [react(), tailwindcss(), inlined()],
  resolve: { alias },
  publicDir: false,
  build: {
    outDir: "dist/report",
    assetsInlineLimit: Number.MAX_SAFE_INTEGER,
    cssCodeSplit: false,
    modulePreload: false,
    rolldownOptions: { input: "report.html", output: { codeSplitting: false } },
  },
})
