/** Groups on the page: how they are named among people, and what their changes say. No DOM, no network. */

/** @typedef {import('./client/protocol.js').Recipient} Recipient */
/** @typedef {import('./client/protocol.js').GroupChange} GroupChange */

/**
 * How a recipient is named among all conversations. No name of a user has a `#`.
 * @param {Recipient} to
 */
export function keyOf(to) {
  return 'group' in to ? `#${to.group}` : to.user;
}

/**
 * The recipient of a name.
 * @param {string} key
 * @returns {Recipient}
 */
export function recipient(key) {
  return key.startsWith('#') ? { group: key.slice(1) } : { user: key };
}

/**
 * What a change of a group says to people, and what the group is called from then on.
 * @param {string} from
 * @param {string} body
 * @returns {{ text: string, title?: string }}
 */
export function said(from, body) {
  /** @type {any} */
  const change = JSON.parse(body);
  if (change.create) return { text: `${from} made the group “${change.create.name}”`, title: change.create.name };
  if (change.rename) return { text: `${from} named the group “${change.rename}”`, title: change.rename };
  if (change.add) return { text: `${from} added ${change.add.join(', ')}` };
  if (change.remove) return { text: `${from} removed ${change.remove.join(', ')}` };
  if (change.leave) return { text: `${from} left` };
  if (change.role) return { text: `${change.role.user} is ${change.role.role} now` };
  return { text: `${from} changed the group` };
}
