import { useNavigate } from "@tanstack/react-router"
import { Command } from "cmdk"
import { useTranslation } from "react-i18next"
import { useUser } from "@/api/session"
import { Dialog } from "@/ui/dialog"
import { PAGES } from "./pages"

/** Go anywhere by typing: a page's name, in either language's words. */
export default function Palette({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const user = useUser()!
  const navigate = useNavigate()
  const go = (path: string) => (onClose(), void navigate({ to: path }))
  return (
    <Dialog title={t("frame.seek")} onClose={onClose} bare>
      <Command label={t("frame.seek")}>
        <Command.Input
          placeholder={t("frame.seek")}
          className="h-11 w-full border-b bg-transparent px-4 text-sm outline-none"
        />
        <Command.List className="max-h-80 overflow-y-auto p-2">
          <Command.Empty className="text-muted-foreground p-4 text-center">
            {t("frame.nothing")}
          </Command.Empty>
          {PAGES.filter((page) => !page.path.includes("$") && user.permissions.includes(page.needs)).map(
            (page) => (
              <Command.Item
                key={page.path}
                keywords={[page.path]}
                value={t(`pages.${page.name}`)}
                onSelect={() => go(page.path)}
                className="data-[selected=true]:bg-muted flex h-9 cursor-default items-center gap-2 rounded-md px-2"
              >
                {page.icon ? <page.icon className="size-4" aria-hidden /> : <span className="size-4" />}{" "}
                {t(`pages.${page.name}`)}
                <span className="text-muted-foreground ml-auto text-xs">{t(`groups.${page.group}`)}</span>
              </Command.Item>
            ),
          )}
        </Command.List>
      </Command>
    </Dialog>
  )
}
