/** Who is this? The token, from the address or the form, and what the browser keeps. */

/** The token stays in this tab only, and goes with it. */
const TOKEN = 'chatcluster:token';

/** The token that came in the address, or that this tab had before a reload. */
export function givenToken() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const given = fragment.get('token');
  // At once, so that it stays in no history and is copied with no address.
  if (location.hash) history.replaceState(null, '', location.pathname + location.search);
  return given ?? sessionStorage.getItem(TOKEN) ?? undefined;
}

/** @param {string} token */
export function keepToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

export function forgetToken() {
  sessionStorage.removeItem(TOKEN);
}

/**
 * Whose token it is, as it says itself; the gateway checks it.
 * @param {string} token
 * @returns {string | undefined}
 */
export function subject(token) {
  try {
    const payload = token.split('.')[1]?.replaceAll('-', '+').replaceAll('_', '/') ?? '';
    const bytes = Uint8Array.from(atob(payload), (char) => char.charCodeAt(0));
    const { sub } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof sub === 'string' ? sub : undefined;
  } catch {
    return undefined;
  }
}

/**
 * This browser as a device of the user.
 * @param {string} user
 */
export function device(user) {
  const key = `chatcluster:${user}:device`;
  const made = localStorage.getItem(key) ?? `web-${crypto.randomUUID().slice(0, 8)}`;
  localStorage.setItem(key, made);
  return made;
}

/**
 * Who this user has talked to here.
 * @param {string} user
 * @returns {import('./model.js').Kept[]}
 */
export function people(user) {
  try {
    const kept = JSON.parse(localStorage.getItem(`chatcluster:${user}:people`) ?? '[]');
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}

/**
 * @param {string} user
 * @param {import('./model.js').Kept[]} people
 */
export function keepPeople(user, people) {
  localStorage.setItem(`chatcluster:${user}:people`, JSON.stringify(people));
}
