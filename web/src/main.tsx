import "./theme.css"
import { QueryClientProvider } from "@tanstack/react-query"
import { RouterProvider } from "@tanstack/react-router"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { queries } from "./api/client"
import { router } from "./app/router"
import { startTexts } from "./i18n"
import { pressOnce } from "./lib/keys"
import { goLive } from "./lib/live"

await startTexts()
goLive()
pressOnce()
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
)
