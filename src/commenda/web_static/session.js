// Who is signed in: tokens live in this tab only, and are renewed when they run out.

const KEPT = "commenda-session";
let session = JSON.parse(sessionStorage.getItem(KEPT) || "null");
let renewing = null;

export class Refusal extends Error {
  constructor(status, problem) {
    super(problem?.detail || problem?.title || `HTTP ${status}`);
    this.status = status;
    this.code = problem?.code;
  }
}

export const user = () => session?.user ?? null;
export const token = () => session?.accessToken ?? null;

function keep(found) {
  session = found;
  if (found) sessionStorage.setItem(KEPT, JSON.stringify(found));
  else sessionStorage.removeItem(KEPT);
}

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, signal: AbortSignal.timeout(15000) });
  const body = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw new Refusal(answer.status, body);
  return body;
}

const send = (path, body) =>
  ask(`/api/v1${path}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export async function signIn(username, password, code) {
  keep(await send("/auth/login", { username, password, ...(code ? { totpCode: code } : {}) }));
}

export function signOut() {
  const leaving = session;
  keep(null);
  if (leaving) {
    fetch("/api/v1/auth/logout", { method: "POST", headers: { Authorization: `Bearer ${leaving.accessToken}` } }).catch(() => {});
  }
}

export async function renew() {
  renewing ??= send("/auth/refresh", { refreshToken: session.refreshToken })
    .then((found) => keep({ ...session, ...found }))
    .catch((error) => {
      if (error.status === 401) keep(null);
      throw error;
    })
    .finally(() => (renewing = null));
  await renewing;
}

export async function get(path) {
  const once = () => ask(`/api/v1${path}`, { headers: { Authorization: `Bearer ${token()}` } });
  try {
    return await once();
  } catch (error) {
    if (error.status !== 401 || !session) throw error;
    await renew();
    return once();
  }
}

// The demo's published sign-ins; none outside a demo.
export async function signIns() {
  const answer = await fetch("/demo.json").catch(() => null);
  return answer?.ok ? answer.json() : [];
}
