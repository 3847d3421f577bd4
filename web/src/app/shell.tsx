import { Link, Outlet } from "@tanstack/react-router"
import { Eye, EyeOff, Menu as MenuIcon, Search } from "lucide-react"
import { lazy, Suspense, useState } from "react"
import { useTranslation } from "react-i18next"
import { session, useUser } from "@/api/session"
import { cn } from "@/lib/cn"
import { useKeys } from "@/lib/keys"
import { setPreferences, usePreferences } from "@/lib/preferences"
import { Button } from "@/ui/button"
import { Empty, Skeleton } from "@/ui/states"
import { Bell } from "./bell"
import { mayOpen, PAGES, type Group } from "./pages"
import { BusinessTime, LiveMark } from "./status"
import { Unacknowledged } from "./unacknowledged"
import { UserMenu } from "./user-menu"
import { UnderWay } from "./work"

const WINDOWS = {
  seek: lazy(() => import("./palette")),
  help: lazy(() => import("./help")),
  about: lazy(() => import("./about")),
}
export type WindowName = keyof typeof WINDOWS

/** Everything that is around a page: the navigation, the way to find things, who is here. */
export function Shell() {
  const { t } = useTranslation()
  const { hideAmounts } = usePreferences()
  const [window, setWindow] = useState<WindowName | null>(null)
  const [open, setOpen] = useState(false)
  useKeys({
    "Ctrl k": () => session() && setWindow("seek"),
    "/": () => {
      const field = search()
      if (field) field.focus()
      else setWindow("seek")
    },
    "?": () => setWindow("help"),
    j: enterRows,
  })
  const Window = window && WINDOWS[window]

  return (
    <div className="min-h-dvh lg:grid lg:grid-cols-[13rem_minmax(0,1fr)]">
      <a
        href="#page"
        className="bg-card focusable sr-only rounded-md p-2 focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-50"
      >
        {t("frame.skip")}
      </a>
      <Navigation open={open} onGo={() => setOpen(false)} />
      <div className="min-w-0">
        <header
          data-app
          className="bg-background/90 sticky top-0 z-30 flex h-12 items-center gap-2 border-b px-4 backdrop-blur"
        >
          <Button
            intent="ghost"
            size="icon"
            className="lg:hidden"
            aria-label={t("frame.navigation")}
            aria-expanded={open}
            onClick={() => setOpen(!open)}
          >
            <MenuIcon />
          </Button>
          <Button
            className="text-muted-foreground min-w-0 sm:w-56 sm:justify-start"
            onClick={() => setWindow("seek")}
          >
            <Search /> <span className="hidden sm:inline">{t("frame.seek")}</span>
            <kbd className="ml-auto hidden rounded border px-1 font-sans text-[0.7rem] sm:inline">
              {t("frame.seekKey")}
            </kbd>
          </Button>
          <div className="ml-auto flex min-w-0 items-center gap-1">
            <BusinessTime className="hidden md:inline" />
            <LiveMark />
            <UnderWay />
            <Button
              intent="ghost"
              size="icon"
              aria-label={t("frame.hideAmounts")}
              aria-pressed={hideAmounts}
              onClick={() => setPreferences({ hideAmounts: !hideAmounts })}
            >
              {hideAmounts ? <EyeOff /> : <Eye />}
            </Button>
            <Bell />
            <UserMenu onWindow={setWindow} />
          </div>
        </header>
        <main id="page" tabIndex={-1} className="mx-auto max-w-[90rem] space-y-4 p-4 outline-none lg:p-6">
          <Suspense fallback={<Skeleton rows={6} />}>
            <Outlet />
          </Suspense>
        </main>
      </div>
      {Window && (
        <Suspense>
          <Window onClose={() => setWindow(null)} />
        </Suspense>
      )}
    </div>
  )
}

/** The page's own field to search or filter by, if it has one. */
const search = () => document.querySelector<HTMLElement>("main input[type=search]")

/** From the page into its first list, as if the key had been pressed there. */
function enterRows() {
  const rows = document.querySelector<HTMLElement>("main [data-rows]")
  rows?.focus({ preventScroll: true })
  rows?.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true, cancelable: true }))
}

function Navigation({ open, onGo }: { open: boolean; onGo: () => void }) {
  const { t } = useTranslation()
  const user = useUser()!
  const shown = PAGES.filter((page) => page.icon && mayOpen(page, user.permissions))
  const groups = [...new Set(shown.map((page) => page.group))] as Group[]
  return (
    <nav
      aria-label={t("frame.navigation")}
      className={cn(
        "bg-card z-20 flex-col gap-4 border-r p-3 max-lg:border-b lg:sticky lg:top-0 lg:flex lg:h-dvh lg:overflow-y-auto",
        open ? "flex" : "hidden",
      )}
    >
      <Link
        to="/"
        className="focusable flex items-center gap-2 rounded-md px-2 py-1 text-base font-semibold tracking-tight"
      >
        <img src="/icon.svg" alt="" width={20} height={20} /> {t("frame.name")}
      </Link>
      {groups.map((group) => (
        <div key={group} className="space-y-0.5">
          {groups.length > 1 && (
            <p className="text-muted-foreground px-2 pb-1 text-xs">{t(`groups.${group}`)}</p>
          )}
          {shown
            .filter((page) => page.group === group)
            .map(({ path, name, icon: Icon }) => (
              <Link
                key={path}
                to={path}
                onClick={onGo}
                className="focusable text-muted-foreground hover:bg-muted flex h-8 items-center gap-2 rounded-md px-2 [&.active]:bg-muted [&.active]:text-foreground"
              >
                {Icon && <Icon className="size-4" aria-hidden />} {t(`pages.${name}`)}
                {name === "alerts" && <Unacknowledged />}
              </Link>
            ))}
        </div>
      ))}
      <BusinessTime className="px-2 md:hidden" />
    </nav>
  )
}

export function NotFound() {
  const { t } = useTranslation()
  return (
    <Empty title={t("state.notFound")}>
      <Button asChild>
        <Link to="/">{t("state.toStart")}</Link>
      </Button>
    </Empty>
  )
}
