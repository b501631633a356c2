/**
 * account.js signs the reader in and out, and knows who they are and what they
 * may read. A token is sent once, for a cookie that scripts cannot read, and kept
 * nowhere.
 */

/**
 * What GET /session tells.
 * @typedef {{anonymous?: boolean, subject?: string, expires?: number, read?: string[]}} Session
 */

/** Milliseconds for the hub to answer. */
const TIMEOUT = 20_000;

export class Account {
	/** `unknown`: the hub has not answered yet. @type {"unknown" | "anonymous" | "in" | "out"} */
	state = "unknown";
	/** Why the reader is not signed in. */
	reason = "";
	/** Whether a token was refused since the page was opened: who gave it is to learn why. */
	refused = false;

	/** @type {Session} */ #session = {};
	#asked = 0; // only the last answer counts
	#signingIn = 0; // tokens that the hub has not answered yet
	#onChange;

	/** @param {() => void} onChange hears of every change */
	constructor(onChange) {
		this.#onChange = onChange;
	}

	/** Who is signed in; "" if their token does not say. */
	get subject() {
		return this.#session.subject ?? "";
	}

	/**
	 * What may be read by who is here now; until the hub has onChange, all is tried.
	 * @returns {(topic: string) => boolean}
	 */
	get canRead() {
		const { read = [] } = this.#session;
		return this.state !== "in"
			? () => true
			: (topic) => read.some((p) => (p.endsWith("*") ? topic.startsWith(p.slice(0, -1)) : p === topic));
	}

	/** Differs when something else may be read. */
	get permissions() {
		return this.state === "in" ? JSON.stringify(this.#session.read ?? []) : "";
	}

	/** Asks the hub who is signed in. A hub that cannot tell changes nothing. */
	async refresh() {
		const asked = ++this.#asked;
		const answer = await request("GET");
		if (asked === this.#asked && !(this.state === "out" && answer.status === 401)) {
			// who is out was onChange why
			this.#take(answer);
		}
	}

	/** Signs in with a token. @param {string} given as somebody pasted it */
	async signIn(given) {
		const asked = ++this.#asked;
		this.#signingIn++;
		const token = given.replace(/^\s*Bearer\s/i, "").replace(/\s+/g, "");
		const answer = /^[!-~]+$/.test(token) ? await request("POST", token) : refusal("that is no token");
		// There may be another sign-in that is good.
		const now = answer.status === 200 ? answer : await request("GET");
		this.#signingIn--;
		if (asked !== this.#asked) {
			return;
		}
		this.refused = answer.status !== 200 && now.status !== 200;
		this.#take(this.refused ? refusal(answer.reason) : now);
	}

	/** Signs out. @returns {Promise<boolean>} whether the hub has heard of it */
	async signOut() {
		this.#asked++;
		return (await request("DELETE")).status === 204;
	}

	/**
	 * The hub does not take the sign-in any more.
	 * @param {string} reason why; not for who was onChange already, or soon is
	 */
	signedOut(reason) {
		if (this.state === "out" || this.#signingIn > 0) {
			return;
		}
		this.#asked++;
		this.#take(refusal(reason));
	}

	/** @param {Answer} answer */
	#take({ status, reason, session }) {
		if (status === 200) {
			this.state = session.anonymous ? "anonymous" : "in";
			this.#session = session;
			this.reason = "";
		} else if (status === 401) {
			this.state = "out";
			this.reason = reason;
		} else {
			return;
		}
		this.#onChange();
	}
}

/** @typedef {{status: number, reason: string, session: Session}} Answer status 0: there was none */

/** @param {string} reason @returns {Answer} */
const refusal = (reason) => ({ status: 401, reason, session: {} });

/** @param {"GET" | "POST" | "DELETE"} method @param {string} [token] @returns {Promise<Answer>} */
async function request(method, token) {
	const headers = token === undefined ? undefined : { Authorization: `Bearer ${token}` };
	try {
		const answer = await fetch("/session", {
			method,
			headers,
			cache: "no-store",
			signal: AbortSignal.timeout(TIMEOUT),
		});
		const body = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
		return {
			status: answer.status,
			reason: body.detail ?? `the hub answers ${answer.status}`,
			session: body,
		};
	} catch {
		return {
			status: 0,
			reason: "the hub cannot be reached; give the token again in a moment",
			session: {},
		};
	}
}
