import { useTranslation } from "react-i18next"
import { chooseLanguage } from "@/i18n"
import { setPreferences, usePreferences } from "@/lib/preferences"
import { MenuChoice } from "@/ui/menu"

/** How somebody wants to see things, as rows of a menu. */
export function Appearance() {
  const { t } = useTranslation()
  const { theme, market, language, zone } = usePreferences()
  return (
    <>
      <MenuChoice
        label={t("prefs.language")}
        value={language}
        options={{ en: t("prefs.en"), zh: t("prefs.zh") }}
        onChange={(next) => void chooseLanguage(next)}
      />
      <MenuChoice
        label={t("prefs.theme")}
        value={theme}
        options={{ light: t("prefs.light"), dark: t("prefs.dark") }}
        onChange={(next) => setPreferences({ theme: next })}
      />
      <MenuChoice
        label={t("prefs.market")}
        value={market}
        options={{ "green-up": t("prefs.greenUp"), "red-up": t("prefs.redUp") }}
        onChange={(next) => setPreferences({ market: next })}
      />
      <MenuChoice
        label={t("prefs.zone")}
        value={zone}
        options={{ UTC: t("prefs.utc"), local: t("prefs.local") }}
        onChange={(next) => setPreferences({ zone: next })}
      />
    </>
  )
}
