/**
 * login.js sends readers to where they sign in, and never round in circles: who comes
 * back soon and is still not signed in stays here. What was looked at is kept until then.
 */

const NAME = "livemap-login";
/** Milliseconds within which who was sent away is not sent away again. */
const SOON = 60_000;
/** Milliseconds for which what was looked at is kept. */
const KEPT = 3_600_000;
/** Milliseconds to read why. */
const PAUSE = 4000;

/** When somebody was sent away, and what they looked at. @returns {{at: number, hash: string}} */
function sent() {
	try {
		return JSON.parse(sessionStorage.getItem(NAME) ?? "") ?? { at: 0, hash: "" };
	} catch {
		return { at: 0, hash: "" };
	}
}

/** Keeps in mind that the reader is sent away now. @returns {boolean} false where the browser keeps nothing */
export function keep() {
	try {
		sessionStorage.setItem(NAME, JSON.stringify({ at: Date.now(), hash: location.hash }));
		return true;
	} catch {
		return false;
	}
}

/** Shows again what was looked at before the reader was sent away, if the address says nothing else. */
export function restore() {
	const { at, hash } = sent();
	if (location.hash === "" && hash !== "" && Date.now() - at < KEPT) {
		history.replaceState(history.state, "", hash);
	}
}

export class Login {
	/** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
	#may = true; // this page has not been come back to in vain

	/** @param {string | null} url null: there is no such place */
	constructor(url) {
		this.url = url;
	}

	/** Sends the reader there after a moment. @returns {boolean} whether it will */
	begin() {
		this.#may &&= this.url !== null && Date.now() - sent().at > SOON;
		if (this.#may && this.#timer === undefined) {
			this.#timer = setTimeout(() => this.go(), PAUSE);
		}
		return this.#timer !== undefined;
	}

	/** Stays here after all. @param {boolean} [again] whether the reader may be sent there another time */
	stay(again = false) {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		this.#may = again;
	}

	/** Sends the reader there, if it can be kept in mind that they were. */
	go() {
		this.stay();
		if (this.url !== null && keep()) {
			location.assign(this.url);
		}
	}
}
