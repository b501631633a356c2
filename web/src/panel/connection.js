/**
 * connection.js shows the state of the connection, and never a better one than it is.
 */
import { setText } from "../element.js";
import { ago, capitalized, dateTime, duration, protocol } from "../format.js";
import { explain, isAboutAccess } from "../session/reasons.js";
import { TEXTS } from "../texts.js";

/** @typedef {import("../livemap.js").Status} Status */

/** Milliseconds for which the page shows how a connection was resumed. */
const RESUME_NOTE_TIME = 60_000;

/** Milliseconds that a ping may be late. */
const PING_GRACE = 3000;
const STATES = {
	"": "",
	read: "",
	resumed: TEXTS.connection.resumed,
	newest: TEXTS.connection.newest,
	"re-read": TEXTS.connection.reread,
};
/** What the words of livemap.js mean, which are for developers. @type {[RegExp, string][]} */
const CAUSES = [
	[/^the hub cannot be reached/, TEXTS.connection.away],
	[/^nothing came for a while/, TEXTS.connection.quiet],
	[/^the hub does not answer/, TEXTS.connection.mute],
	[/^the hub cannot prove/, TEXTS.connection.unproven],
	[/^too many streams are open$/, TEXTS.connection.tooMany],
	[/^the hub is restarting/, TEXTS.connection.restarting],
	[/^the connection was cut/, TEXTS.connection.cut],
];

/** @param {HTMLElement} element @param {import("../livemap.js").Feed} feed */
export function connection(element, feed) {
	/** @param {string} selector */
	const part = (selector) => /** @type {HTMLElement} */ (element.querySelector(selector));
	const [phase, facts, why, retry, more, details] = [
		".phase",
		".facts",
		".why",
		".retry",
		"details",
		"details p",
	].map(part);
	retry.addEventListener("click", () => feed.retry());
	return () => {
		const { status } = feed;
		const stale = status.phase === "live" && Date.now() - status.heard > feed.ping * 1000 + PING_GRACE;
		const shown = stale ? "stale" : status.phase;
		element.dataset.phase = shown;
		element.dataset.state = status.state;
		setText(phase, TEXTS.connection[shown]);
		setText(facts, factsText(status, Date.now()));
		const note = Date.now() - status.since < RESUME_NOTE_TIME ? STATES[status.state] : "";
		setText(why, status.phase === "live" ? note : reasonText(status));
		more.hidden = !saysAccess(status);
		setText(details, more.hidden ? "" : status.reason);
		retry.hidden = status.phase !== "waiting" && status.refusal !== "forbidden";
	};
}

/**
 * Shows over the map that it is not live, and of when it is.
 * @param {HTMLElement} band
 * @param {import("../livemap.js").Feed} feed
 */
export function bandOver(band, feed) {
	const [words, age] = /** @type {HTMLElement[]} */ ([...band.children]);
	return () => {
		band.hidden = feed.current || feed.asOf === 0;
		if (!band.hidden) {
			const now = Date.now();
			// Screen readers read the first part alone: the second changes every second.
			const { asOf, frozenAsOf } = TEXTS.connection;
			const why = feed.status.phase === "frozen" ? frozenAsOf : asOf;
			setText(words, why(dateTime(feed.asOf / 1000, now / 1000)));
			setText(age, `(${ago((now - feed.asOf) / 1000)})`);
		}
	};
}

/** @param {Status} status @param {number} now ms */
function factsText(status, now) {
	switch (status.phase) {
		case "live":
			return `${protocol(status.protocol)} · ${ago((now - status.heard) / 1000)}`;
		case "waiting":
			return TEXTS.connection.in(duration(Math.ceil((status.retryAt - now) / 1000)));
		default:
			return "";
	}
}

/** Why it is not live. The sign-in form shows the reason of a missing sign-in. @param {Status} status */
function reasonText({ phase, refusal, reason }) {
	if (phase === "refused" && refusal !== "forbidden") {
		return TEXTS.connection.signedOut;
	}
	if (saysAccess({ phase, refusal, reason })) {
		return explain({ reason });
	}
	const [, cause] = CAUSES.find(([words]) => words.test(reason)) ?? [];
	return cause ?? (reason && `${capitalized(reason)}.`);
}

/**
 * Whether the reason is about what the reader may see, and not shown by the sign-in form.
 * @param {Pick<Status, "phase" | "refusal" | "reason">} status
 */
const saysAccess = ({ phase, refusal, reason }) =>
	refusal === "forbidden" || (phase === "waiting" && isAboutAccess(reason));
