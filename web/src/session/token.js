/**
 * token.js removes a token from the address (#token=…) before anything else runs. It is a script of its own,
 * so it need not wait for the page's other modules. It holds the token in memory and returns it once.
 */

/**
 * Removes a token from the address and the history.
 * @param {string} [hash] the address's fragment, where it may have changed since
 * @returns {string | null} the token
 */
export function takeToken(hash = location.hash) {
	const parts = hash.replace(/^#/, "").split("&");
	const others = parts.filter((part) => !part.startsWith("token="));
	if (others.length === parts.length) {
		return null;
	}
	if (location.hash === hash) {
		const rest = others.length > 0 ? `#${others.join("&")}` : "";
		history.replaceState(history.state, "", `${location.pathname}${location.search}${rest}`);
	}
	const [token] = parts.filter((part) => part.startsWith("token="));
	return token.slice("token=".length) || null;
}

let token = takeToken();

/** The token that the page was opened with; null from the second call on. */
export function takeInitialToken() {
	const initial = token;
	token = null;
	return initial;
}
