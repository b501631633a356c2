/**
 * login.js redirects readers to the login page and prevents loops: a reader who comes back soon without a
 * session stays here. The view is stored until they return.
 */

const STORAGE_KEY = "livemap-login";
/** Milliseconds after a redirect in which there is no second one. */
const LOOP_WINDOW = 60_000;
/** Milliseconds for which a stored view is valid. */
const VIEW_LIFETIME = 3_600_000;
/** Milliseconds for the reader to see the reason. */
const REDIRECT_DELAY = 4000;

/** The time of the last redirect, and the view at that time. @returns {{at: number, hash: string}} */
function lastRedirect() {
	try {
		return JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "") ?? { at: 0, hash: "" };
	} catch {
		return { at: 0, hash: "" };
	}
}

/**
 * Stores the view and the time of a redirect.
 * @returns {boolean} false if the browser has no storage
 */
export function rememberView() {
	try {
		sessionStorage.setItem(STORAGE_KEY, JSON.stringify({ at: Date.now(), hash: location.hash }));
		return true;
	} catch {
		return false;
	}
}

/**
 * Restores the view from before the redirect, unless the address names another.
 */
export function restoreView() {
	const { at, hash } = lastRedirect();
	if (location.hash === "" && hash !== "" && Date.now() - at < VIEW_LIFETIME) {
		history.replaceState(history.state, "", hash);
	}
}

export class Login {
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
	#allowed = true; // no redirect from this page has failed

	/** @param {string | null} url null: the hub has no login page */
	constructor(url) {
		this.url = url;
	}

	/** Redirects after a delay. @returns {boolean} whether a redirect is pending */
	schedule() {
		this.#allowed &&= this.url !== null && Date.now() - lastRedirect().at > LOOP_WINDOW;
		if (this.#allowed && this.#timer === undefined) {
			this.#timer = setTimeout(() => this.redirect(), REDIRECT_DELAY);
		}
		return this.#timer !== undefined;
	}

	/**
	 * Cancels a pending redirect.
	 * @param {boolean} [again] whether a later redirect is allowed
	 */
	cancel(again = false) {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		this.#allowed = again;
	}

	/** Redirects now, unless the browser cannot store that it did. */
	redirect() {
		this.cancel();
		if (this.url !== null && rememberView()) {
			location.assign(this.url);
		}
	}
}
