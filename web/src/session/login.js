/**
 * login.js sends readers to where they sign in, and never round in circles: who comes
 * back soon and is still not signed in stays here. What was looked at is kept until then.
 */

const STORAGE_KEY = "livemap-login";
/** Milliseconds within which who was lastRedirect away is not lastRedirect away again. */
const LOOP_WINDOW = 60_000;
/** Milliseconds for which what was looked at is kept. */
const VIEW_LIFETIME = 3_600_000;
/** Milliseconds to read why. */
const REDIRECT_DELAY = 4000;

/** When somebody was lastRedirect away, and what they looked at. @returns {{at: number, hash: string}} */
function lastRedirect() {
	try {
		return JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "") ?? { at: 0, hash: "" };
	} catch {
		return { at: 0, hash: "" };
	}
}

/**
 * Keeps in mind that the reader is lastRedirect away now.
 * @returns {boolean} false where the browser keeps nothing
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
 * Shows again what was looked at before the reader was lastRedirect away, if the address says nothing else.
 */
export function restoreView() {
	const { at, hash } = lastRedirect();
	if (location.hash === "" && hash !== "" && Date.now() - at < VIEW_LIFETIME) {
		history.replaceState(history.state, "", hash);
	}
}

export class Login {
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
	#allowed = true; // this page has not been come back to in vain

	/** @param {string | null} url null: there is no such place */
	constructor(url) {
		this.url = url;
	}

	/** Sends the reader there after a moment. @returns {boolean} whether it will */
	schedule() {
		this.#allowed &&= this.url !== null && Date.now() - lastRedirect().at > LOOP_WINDOW;
		if (this.#allowed && this.#timer === undefined) {
			this.#timer = setTimeout(() => this.redirect(), REDIRECT_DELAY);
		}
		return this.#timer !== undefined;
	}

	/**
	 * Stays here after all.
	 * @param {boolean} [again] whether the reader may be lastRedirect there another time
	 */
	cancel(again = false) {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		this.#allowed = again;
	}

	/** Sends the reader there, if it can be kept in mind that they were. */
	redirect() {
		this.cancel();
		if (this.url !== null && rememberView()) {
			location.assign(this.url);
		}
	}
}
