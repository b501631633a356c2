/**
 * sign-in.js is where readers sign in and out: a panel that says why it is needed, and a
 * line that says who is signed in.
 */
import { element, notice, write } from "../element.js";
import { keep } from "./login.js";

/** @typedef {import("./account.js").Account} Account */

export class SignIn {
	#panel = element("sign-in", HTMLElement);
	#token = element("token", HTMLInputElement);
	#who = element("who", HTMLElement);
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
			login.stay();
			account.enter(given);
		});
		this.#token.addEventListener("input", () => this.#stay());
		if (login.url !== null) {
			const link = /** @type {HTMLAnchorElement} */ (this.#part(".login a"));
			link.href = login.url;
			link.textContent = `Sign in at ${link.host}`;
			this.#part(".login").hidden = false;
			link.addEventListener("click", keep);
		}
		element("leave", HTMLButtonElement).addEventListener("click", () => this.#leave());
	}

	/** @param {string} selector @returns {HTMLElement} */
	#part(selector) {
		return /** @type {HTMLElement} */ (this.#panel.querySelector(selector));
	}

	/** Shows how the account is. @param {number} seen ms of Date.now(): when the map was last live; 0: never */
	show(seen) {
		const { state, words, subject, refused } = this.#account;
		this.#who.hidden = state !== "in";
		write(this.#part(".words"), state === "out" ? `${words.charAt(0).toUpperCase()}${words.slice(1)}.` : "");
		write(/** @type {HTMLElement} */ (this.#who.querySelector(".subject")), subject ? `Signed in as ${subject}` : "Signed in");
		if (state !== "out") {
			this.#login.stay(this.#login.url !== null);
			this.#panel.hidden = true;
			return;
		}
		write(this.#part(".kept"), seen ? `What is shown is from ${new Date(seen).toLocaleTimeString()}, and not live.` : "");
		if (this.#panel.hidden) {
			this.#panel.hidden = false;
			if (document.activeElement === document.body) {
				this.#token.focus();
			}
		}
		// A refused token was given by somebody who is here, and nobody is where the page is hidden.
		const leaving = !refused && !document.hidden && this.#login.begin();
		write(this.#part(".leaving"), leaving ? "You are being taken there." : "");
	}

	#stay() {
		this.#login.stay();
		write(this.#part(".leaving"), "");
	}

	/** Signs out, and forgets the fleet with the page. */
	async #leave() {
		if (await this.#account.leave()) {
			location.reload();
		} else {
			notice("The hub cannot be reached, so you are still signed in.", 5000);
		}
	}
}
