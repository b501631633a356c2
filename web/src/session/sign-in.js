/**
 * sign-in.js shows the sign-in form with its reason, and the line with the reader's name.
 */
import { element, setText, showNotice } from "../element.js";
import { TEXTS } from "../texts.js";
import { rememberView } from "./login.js";
import { explain, hasDetails } from "./reasons.js";

/** @typedef {import("./account.js").Account} Account */

export class SignIn {
	#panel = element("sign-in", HTMLElement);
	#token = element("token", HTMLInputElement);
	#user = element("user", HTMLElement);
	#account;
	#login;

	/** @param {Account} account @param {import("./login.js").Login} login */
	constructor(account, login) {
		this.#account = account;
		this.#login = login;
		const form = this.#part("form");
		form.addEventListener("submit", (event) => {
			event.preventDefault();
			const given = this.#token.value;
			this.#token.value = "";
			login.cancel();
			account.signIn(given);
		});
		this.#token.addEventListener("input", () => this.#cancelRedirect());
		if (login.url !== null) {
			const link = /** @type {HTMLAnchorElement} */ (this.#part(".login a"));
			link.href = login.url;
			link.textContent = TEXTS.signIn.at(link.host);
			this.#part(".login").hidden = false;
			link.addEventListener("click", rememberView);
		}
		element("sign-out", HTMLButtonElement).addEventListener("click", () => this.#signOut());
	}

	/** @param {string} selector @returns {HTMLElement} */
	#part(selector) {
		return /** @type {HTMLElement} */ (this.#panel.querySelector(selector));
	}

	/**
	 * Shows the account's state.
	 * @param {number} lastHeard milliseconds of Date.now() when the map was last live; 0: never
	 */
	show(lastHeard) {
		const { state, subject, refused, clockOffset } = this.#account;
		const reason = state === "out" ? this.#account.reason : "";
		this.#user.hidden = state !== "in";
		const login = this.#login.url !== null;
		setText(this.#part(".reason"), explain({ reason, given: refused, login, clockOffset }));
		setText(this.#part("details p"), reason);
		this.#part("details").hidden = !hasDetails(reason);
		setText(
			/** @type {HTMLElement} */ (this.#user.querySelector(".subject")),
			TEXTS.signIn.as(subject),
		);
		if (state !== "out") {
			this.#login.cancel(this.#login.url !== null);
			this.#panel.hidden = true;
			return;
		}
		setText(
			this.#part(".stale"),
			lastHeard ? TEXTS.signIn.shownFrom(new Date(lastHeard).toLocaleTimeString()) : "",
		);
		if (this.#panel.hidden) {
			this.#panel.hidden = false;
			if (document.activeElement === document.body) {
				this.#token.focus();
			}
		}
		// After a refused token the reader stays to see why. A hidden page has no reader to redirect.
		const redirecting = !refused && !document.hidden && this.#login.schedule();
		setText(this.#part(".redirecting"), redirecting ? TEXTS.signIn.redirecting : "");
	}

	#cancelRedirect() {
		this.#login.cancel();
		setText(this.#part(".redirecting"), "");
	}

	/** Signs out and reloads the page, which drops the fleet. */
	async #signOut() {
		if (await this.#account.signOut()) {
			location.reload();
		} else {
			showNotice(TEXTS.signIn.notOut, 5000);
		}
	}
}
