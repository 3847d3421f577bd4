import "../theme.css"
import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from "@tanstack/react-router"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { useTranslation } from "react-i18next"
import { Appearance } from "@/app/appearance"
import { REPORT, startTexts } from "@/i18n"
import { Button } from "@/ui/button"
import { ChartCredit } from "@/ui/credit"
import { Menu } from "@/ui/menu"
import { KINDS } from "./kinds"

type Report = { kind: string; data: unknown }

/** One file without a server: what it shows stands in it as JSON. */
function Page({ report }: { report: Report }) {
  const { t } = useTranslation()
  const Kind = KINDS[report.kind]
  if (!Kind) return <p role="alert">{t("report.unknown", { kind: report.kind })}</p>
  return (
    <main className="paper:p-0 @container mx-auto max-w-7xl space-y-4 p-4">
      <div className="flex justify-end" data-screen-only>
        <Menu trigger={<Button intent="ghost">{t("prefs.appearance")}</Button>}>
          <Appearance />
        </Menu>
      </div>
      <Kind data={report.data} />
      <footer>
        <ChartCredit />
      </footer>
    </main>
  )
}

void startTexts(REPORT).then(() => {
  const report = JSON.parse(document.getElementById("report")!.textContent || "{}") as Report
  // The console's components ask for an address; this one is nowhere but in memory.
  const router = createRouter({
    routeTree: createRootRoute({ component: () => <Page report={report} /> }),
    history: createMemoryHistory(),
  })
  createRoot(document.getElementById("root")!).render(
    <StrictMode>
      <RouterProvider router={router as never} />
    </StrictMode>,
  )
})
