/**
 * account.js signs the reader in and out, and holds who they are and what they may read. It sends a token
 * once, in exchange for a cookie that scripts cannot read, and stores it nowhere.
 */

/**
 * The answer of GET /session.
 * @typedef {{anonymous?: boolean, subject?: string, expires?: number, read?: string[]}} Session
 */

/** Milliseconds that a request may take. */
const TIMEOUT = 20_000;

export class Account {
	/** `unknown`: the hub has not answered yet. @type {"unknown" | "anonymous" | "in" | "out"} */
	state = "unknown";
	/** Why the reader is not signed in, in the hub's words. */
	reason = "";
	/** Milliseconds by which the hub's clock is ahead of this one. */
	clockOffset = 0;
	/**
	 * Whether a token was refused since the page was opened. The page then shows why and does not redirect.
	 */
	refused = false;

	/** @type {Session} */ #session = {};
	#asked = 0; // number of the newest request; older answers are ignored
	#signingIn = 0; // tokens that wait for the hub's answer
	#onChange;
	#onSession;

	/**
	 * @param {() => void} onChange is called after every change
	 * @param {() => void} [onSession] is called when this page has signed the reader in or out
	 */
	constructor(onChange, onSession = () => {}) {
		this.#onChange = onChange;
		this.#onSession = onSession;
	}

	/** The subject of the token; "" if it has none. */
	get subject() {
		return this.#session.subject ?? "";
	}

	/**
	 * The topics that this reader may read. Until the hub has answered, it allows all.
	 * @returns {(topic: string) => boolean}
	 */
	get canRead() {
		const { read = [] } = this.#session;
		return this.state !== "in"
			? () => true
			: (topic) => read.some((p) => (p.endsWith("*") ? topic.startsWith(p.slice(0, -1)) : p === topic));
	}

	/** Changes when the reader may read other topics. */
	get permissions() {
		return this.state === "in" ? JSON.stringify(this.#session.read ?? []) : "";
	}

	/** Asks the hub who is signed in. Without an answer nothing changes. */
	async refresh() {
		const asked = ++this.#asked;
		const answer = await request("GET");
		if (asked === this.#asked && !(this.state === "out" && answer.status === 401)) {
			// A signed-out reader keeps the first reason.
			this.#take(answer);
		}
	}

	/** Signs in with a token. @param {string} given as pasted, or a whole link with it */
	async signIn(given) {
		const asked = ++this.#asked;
		this.#signingIn++;
		const token = (/[#&]token=([^&]*)/.exec(given)?.[1] ?? given)
			.replace(/^\s*Bearer\s/i, "")
			.replace(/\s+/g, "");
		const answer = /^[!-~]+$/.test(token) ? await request("POST", token) : refusal("that is no token");
		if (answer.status === 200) {
			this.#onSession();
		}
		// An earlier sign-in may still be valid.
		const now = answer.status === 200 ? answer : await request("GET");
		this.#signingIn--;
		if (asked !== this.#asked) {
			return;
		}
		this.refused = answer.status !== 200 && now.status !== 200;
		this.#take(this.refused ? { ...answer, status: 401 } : now);
	}

	/** Signs out. @returns {Promise<boolean>} whether the hub has confirmed it */
	async signOut() {
		this.#asked++;
		const done = (await request("DELETE")).status === 204;
		if (done) {
			this.#onSession();
		}
		return done;
	}

	/**
	 * The hub no longer accepts the sign-in. Does nothing after a sign-out, or while a token is checked.
	 * @param {string} reason
	 */
	signedOut(reason) {
		if (this.state === "out" || this.#signingIn > 0) {
			return;
		}
		this.#asked++;
		this.#take(refusal(reason));
	}

	/** @param {Answer} answer */
	#take({ status, reason, session, clockOffset = this.clockOffset }) {
		this.clockOffset = clockOffset;
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

/**
 * Status 0: the hub did not answer.
 * @typedef {{status: number, reason: string, session: Session, clockOffset?: number}} Answer
 */

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
			clockOffset: (Date.parse(answer.headers.get("Date") ?? "") || Date.now()) - Date.now(),
		};
	} catch {
		return {
			status: 0,
			reason: "the hub cannot be reached; give the token again in a moment",
			session: {},
		};
	}
}
