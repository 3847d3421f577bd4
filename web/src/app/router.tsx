import { lazy, type ComponentType } from "react"
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Navigate,
  Outlet,
} from "@tanstack/react-router"
import { useOver, useUser } from "@/api/session"
import { SignIn } from "@/features/account/sign-in"
import { Broken } from "./broken"
import { firstPage, mayOpen, PAGES, type Page } from "./pages"
import { Over } from "./over"
import { NotFound, Shell } from "./shell"

function Root() {
  const user = useUser()
  const over = useOver()
  if (!user) return <Outlet />
  return (
    <>
      <Shell key={user.id} />
      {over && <Over />}
    </>
  )
}

function Start() {
  const user = useUser()
  return user ? <Navigate to={firstPage(user.permissions).path} replace /> : <SignIn />
}

/** A page for whoever may open it; who is not signed in signs in first, and finds the page behind it. */
function guarded(page: Page) {
  const Content = lazy(page.load)
  return function Guarded() {
    const user = useUser()
    if (!user) return <SignIn />
    return mayOpen(page, user.permissions) ? <Content /> : <NotFound />
  }
}

const root = createRootRoute({ component: Root, notFoundComponent: NotFound })
const open = (path: string, load: () => Promise<{ default: ComponentType }>) =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load) })

export const router = createRouter({
  routeTree: root.addChildren([
    createRoute({ getParentRoute: () => root, path: "/", component: Start }),
    open("/register", () => import("@/features/account/register")),
    open("/invitation", () => import("@/features/account/invitation")),
    open("/docs", () => import("@/features/reference/reference")),
    open("/docs/$operation", () => import("@/features/reference/reference")),
    ...PAGES.map((page) =>
      createRoute({ getParentRoute: () => root, path: page.path, component: guarded(page) }),
    ),
  ]),
  defaultPreload: "intent",
  defaultErrorComponent: Broken,
})
