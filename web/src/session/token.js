/**
 * token.js takes a token out of the address (#token=…) before anything else is done:
 * it is a script of its own, so that the page's other ones need not arrive for that.
 * The token is kept nowhere but here, and handed over once.
 */

/**
 * Takes a token out of the address and the history.
 * @param {string} [hash] the address's fragment, if it may have been replaced by now
 * @returns {string | null} null: there is none
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

/** The token that the page was opened with, the first time it is asked for. */
export function takeInitialToken() {
	const initial = token;
	token = null;
	return initial;
}
