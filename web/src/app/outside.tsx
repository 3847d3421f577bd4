import { Link } from "@tanstack/react-router"
import { Languages, Moon, Sun } from "lucide-react"
import type { ReactNode } from "react"
import { useTranslation } from "react-i18next"
import { chooseLanguage } from "@/i18n"
import { setPreferences, usePreferences } from "@/lib/preferences"
import { Button } from "@/ui/button"
import { Card } from "@/ui/card"

/** What is seen before somebody is signed in: one card, and the choice of language and theme. */
export function Outside({
  title,
  children,
  below,
}: {
  title: string
  children: ReactNode
  below?: ReactNode
}) {
  const { t } = useTranslation()
  return (
    <div className="flex min-h-dvh flex-col items-center justify-center gap-4 p-4">
      <div className="flex items-center gap-2 text-lg font-semibold tracking-tight">
        <img src="/icon.svg" alt="" width={28} height={28} /> {t("frame.name")}
      </div>
      <p className="text-muted-foreground max-w-sm text-center">{t("frame.claim")}</p>
      <main className="w-full max-w-sm">
        <Card>
          <h1 className="mb-3 text-base">{title}</h1>
          {children}
        </Card>
      </main>
      {below}
      <Looks />
    </div>
  )
}

/** A page that is open to everybody, before somebody is signed in. */
export function OpenPage({ children }: { children: ReactNode }) {
  const { t } = useTranslation()
  return (
    <div className="min-h-dvh">
      <header className="bg-background/90 sticky top-0 z-30 flex h-12 items-center gap-2 border-b px-4 backdrop-blur">
        <Link
          to="/"
          className="focusable flex items-center gap-2 rounded-md text-base font-semibold tracking-tight"
        >
          <img src="/icon.svg" alt="" width={20} height={20} /> {t("frame.name")}
        </Link>
        <div className="ml-auto">
          <Looks />
        </div>
      </header>
      <main className="mx-auto max-w-[90rem] space-y-4 p-4 lg:p-6">{children}</main>
    </div>
  )
}

function Looks() {
  const { t } = useTranslation()
  const { theme, language } = usePreferences()
  return (
    <div className="flex gap-1">
      <Button intent="ghost" onClick={() => void chooseLanguage(language === "zh" ? "en" : "zh")}>
        <Languages /> {language === "zh" ? t("prefs.en") : t("prefs.zh")}
      </Button>
      <Button intent="ghost" onClick={() => setPreferences({ theme: theme === "dark" ? "light" : "dark" })}>
        {theme === "dark" ? <Sun /> : <Moon />} {theme === "dark" ? t("prefs.light") : t("prefs.dark")}
      </Button>
    </div>
  )
}
