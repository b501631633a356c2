/**
 * connection.js tells how the connection is, and never better than it is.
 */
import { write } from "../element.js";
import { ago, protocol, span } from "../format.js";

/** @typedef {import("../livemap.js").Status} Status */

/** Milliseconds for which it is told how a connection was resumed. */
const NEWS = 60_000;

const PHASES = { connecting: "Connecting…", live: "Live", doubtful: "No sign of life", waiting: "Reconnecting", refused: "Not live", closed: "Closed" };
/** Milliseconds that a ping may be late. */
const LATE = 3000;
const STATES = {
	"": "",
	read: "",
	resumed: "Resumed: nothing was missed.",
	newest: "Resumed with the newest positions.",
	"re-read": "All positions were read again.",
};

/** @param {HTMLElement} element @param {import("../livemap.js").Feed} feed */
export function connection(element, feed) {
	/** @param {string} selector */
	const part = (selector) => /** @type {HTMLElement} */ (element.querySelector(selector));
	const [phase, facts, why, retry] = [".phase", ".facts", ".why", ".retry"].map(part);
	retry.addEventListener("click", () => feed.retry());
	return () => {
		const { status } = feed;
		const doubtful = status.phase === "live" && Date.now() - status.heard > feed.ping * 1000 + LATE;
		const shown = doubtful ? "doubtful" : status.phase;
		element.dataset.phase = shown;
		element.dataset.state = status.state;
		write(phase, PHASES[shown]);
		write(facts, said(status, Date.now()));
		const news = Date.now() - status.since < NEWS ? STATES[status.state] : "";
		write(why, status.phase === "live" ? news : explained(status));
		retry.hidden = status.phase !== "waiting" && status.refusal !== "forbidden";
	};
}

/** @param {Status} status @param {number} now ms */
function said(status, now) {
	switch (status.phase) {
		case "live": return `${protocol(status.protocol)} · ${ago((now - status.heard) / 1000)}`;
		case "waiting": return `in ${span(Math.ceil((status.retryAt - now) / 1000))}`;
		default: return "";
	}
}

/** Why it is not live. Who is to sign in reads that where they do. @param {Status} status */
function explained({ phase, refusal, reason }) {
	if (phase === "refused" && refusal !== "forbidden") {
		return "You are not signed in.";
	}
	return reason && `${capital(reason)}.`;
}

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
