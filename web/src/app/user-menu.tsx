import { useNavigate } from "@tanstack/react-router"
import { BookText, CircleUser, Info, Keyboard, LogOut, Settings } from "lucide-react"
import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { forget, useUser } from "@/api/session"
import { Button } from "@/ui/button"
import { Menu, MenuItem } from "@/ui/menu"
import { Appearance } from "./appearance"
import type { WindowName } from "./shell"

/** Who is here, how they want to see things, and the way out. */
export function UserMenu({ onWindow }: { onWindow: (name: WindowName) => void }) {
  const { t } = useTranslation()
  const user = useUser()!
  const navigate = useNavigate()
  return (
    <Menu
      trigger={
        <Button intent="ghost" aria-label={t("frame.you", { name: user.username })}>
          <CircleUser /> <span className="hidden max-w-32 truncate sm:inline">{user.username}</span>
        </Button>
      }
    >
      <p className="px-2 py-1.5 text-xs">
        {user.username} · {t(`roles.${user.role}`)}
      </p>
      <Appearance />
      <MenuItem onSelect={() => void navigate({ to: "/account" })}>
        <Settings /> {t("pages.account")}
      </MenuItem>
      <MenuItem onSelect={() => void navigate({ to: "/docs" })}>
        <BookText /> {t("pages.reference")}
      </MenuItem>
      <MenuItem onSelect={() => onWindow("help")}>
        <Keyboard /> {t("shortcuts.title")}
      </MenuItem>
      <MenuItem onSelect={() => onWindow("about")}>
        <Info /> {t("about.title")}
      </MenuItem>
      <MenuItem onSelect={() => void leave()}>
        <LogOut /> {t("frame.signOut")}
      </MenuItem>
    </Menu>
  )
}

/** End the session here and at the server; what was seen goes with it. */
async function leave() {
  await client.POST("/api/v1/auth/logout").catch(() => null)
  forget()
}
