import tailwindcss from "@tailwindcss/vite"
import react from "@vitejs/plugin-react"
import { defineConfig } from "vitest/config"

export const alias = { "@": new URL("./src", import.meta.url).pathname }

/** The console: what the API process serves at `/`. `npm run dev` passes calls on to a running one. */
export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias },
  build: {
    outDir: "dist/console",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // What is served of others' work goes with their licences.
    license: { fileName: "licences.txt" },
  },
  server: {
    proxy: Object.fromEntries(
      ["/api", "/demo.json", "/openapi.json", "/healthz", "/readyz", "/ws"].map((path) => [
        path,
        { target: "http://127.0.0.1:8080", ws: path === "/ws" },
      ]),
    ),
  },
  test: { environment: "jsdom" },
})
